/** Work shared by threads. For this library's own use: it may change with every version. */
@NullMarked
package dev.batchnorm.tasks;

import org.jspecify.annotations.NullMarked;
