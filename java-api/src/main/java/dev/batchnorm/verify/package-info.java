/**
 * Arrays against arrays, to the bit and within tolerances; engines against engines on given data.
 */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
