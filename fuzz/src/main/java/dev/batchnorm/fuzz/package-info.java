/** One fuzz target a class, which is a property of the tests under Jazzer's name. */
@NullMarked
package dev.batchnorm.fuzz;

import org.jspecify.annotations.NullMarked;
