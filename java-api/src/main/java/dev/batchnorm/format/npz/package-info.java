/** NumPy's NPZ files: a ZIP whose members are NPY files. */
@NullMarked
package dev.batchnorm.format.npz;

import org.jspecify.annotations.NullMarked;
