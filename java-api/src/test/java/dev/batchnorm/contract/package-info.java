/**
 * What every engine must do, published as a test-jar: a new engine is done when a class that
 * extends {@link dev.batchnorm.contract.EngineContract} is green.
 */
@NullMarked
package dev.batchnorm.contract;

import org.jspecify.annotations.NullMarked;
