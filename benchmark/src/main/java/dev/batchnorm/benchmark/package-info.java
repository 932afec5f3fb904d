/** JMH benchmarks; {@code make bench} runs them. */
@NullMarked
package dev.batchnorm.benchmark;

import org.jspecify.annotations.NullMarked;
