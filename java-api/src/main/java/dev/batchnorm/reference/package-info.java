/** The pure-Java engine: short, plain, exact; the definition of right. */
@NullMarked
package dev.batchnorm.reference;

import org.jspecify.annotations.NullMarked;
