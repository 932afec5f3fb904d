/** Comparison in ulps, and one engine against another on given data. */
@NullMarked
package dev.batchnorm.verify;

import org.jspecify.annotations.NullMarked;
