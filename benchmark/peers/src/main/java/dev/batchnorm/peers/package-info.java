/** batchnorm beside other libraries and the speed of memory; {@code make bench-peers} runs it. */
@NullMarked
package dev.batchnorm.peers;

import org.jspecify.annotations.NullMarked;
