/**
 * The {@code batchnorm} command: one class a command, options as mixins, one place that reports and
 * one that exits.
 */
@NullMarked
package dev.batchnorm.cli;

import org.jspecify.annotations.NullMarked;
