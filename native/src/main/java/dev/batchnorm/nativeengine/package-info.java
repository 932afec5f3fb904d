/** The engine of C++ kernels, bound through JavaCPP. No JavaCPP type leaves this package. */
@NullMarked
package dev.batchnorm.nativeengine;

import org.jspecify.annotations.NullMarked;
