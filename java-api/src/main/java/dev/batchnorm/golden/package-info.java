/**
 * Golden cases: directories that hold the inputs and the outputs of a run in files anybody can
 * read, recorded once and checked to the bit on any machine, engine and thread count. The format is
 * in docs/formats.md.
 */
@NullMarked
package dev.batchnorm.golden;

import org.jspecify.annotations.NullMarked;
