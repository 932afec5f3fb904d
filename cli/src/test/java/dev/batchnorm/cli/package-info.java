@NullMarked
package dev.batchnorm.cli;

import org.jspecify.annotations.NullMarked;
