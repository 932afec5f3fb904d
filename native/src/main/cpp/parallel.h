// Runs tasks on the calling thread and the pool's, with IEEE arithmetic in each: round to nearest, subnormals kept.
#ifndef BATCHNORM_PARALLEL_H
#define BATCHNORM_PARALLEL_H

#include <stdint.h>

// Calls run(context, task) for every task from 0 to tasks − 1, on at most `threads` threads, and returns when all have
// ended. If no thread can be started, the caller does all the work.
void parallel_tasks(int threads, int64_t tasks, void (*run)(const void* context, int64_t task), const void* context);

template <class F> void parallel(int threads, int64_t tasks, const F& task) {
  parallel_tasks(threads, tasks, [](const void* context, int64_t i) { (*(const F*)context)(i); }, &task);
}

#endif
