/** The passes an engine offers, the door in front of them, and how engines are found. */
@NullMarked
package dev.batchnorm.engine;

import org.jspecify.annotations.NullMarked;
