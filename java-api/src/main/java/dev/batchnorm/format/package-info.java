/**
 * What all file formats share: bytes to read, outputs that appear whole or not at all, and the text
 * of numbers. Each format has a package of its own below this one; none knows an engine.
 */
@NullMarked
package dev.batchnorm.format;

import org.jspecify.annotations.NullMarked;
