/** NumPy's NPY files: one array with its type and sizes. */
@NullMarked
package dev.batchnorm.format.npy;

import org.jspecify.annotations.NullMarked;
