/** CSV and TSV: rows are samples, columns are channels. */
@NullMarked
package dev.batchnorm.format.csv;

import org.jspecify.annotations.NullMarked;
