/**
 * Other implementations' results judged against the exact truth, and what explains those that do
 * not fit.
 */
@NullMarked
package dev.batchnorm.audit;

import org.jspecify.annotations.NullMarked;
