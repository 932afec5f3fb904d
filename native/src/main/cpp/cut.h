// How a chunk is cut for the threads. No cut changes a bit.
#ifndef BATCHNORM_CUT_H
#define BATCHNORM_CUT_H

#include <stddef.h>

#include "batchnorm.h"
#include "fixed_point.h"
#include "kernels/kernels.h"

static inline size_t bytes_of(int type) { return type == BN_F16 ? 2 : type == BN_F32 ? 4 : 8; }

static inline const void* at(const void* values, int type, int64_t index) {
  return (const char*)values + (int64_t)bytes_of(type) * index;
}

static inline void* at(void* values, int type, int64_t index) { return (char*)values + (int64_t)bytes_of(type) * index; }

// Fewer values than this are not worth waking a thread: some ten microseconds of work.
constexpr int64_t WORTH_A_THREAD = 32768;

enum class Axis { outer, channels, inner };

// A cut of the chunk into `parts` along one axis.
struct Cut {
  bn_view view;
  Axis axis;
  int64_t parts;

  // Where part i begins along the axis.
  int64_t begin(int64_t i) const {
    int64_t size = axis == Axis::outer ? view.outer : axis == Axis::channels ? view.channels : view.inner;
    return (int64_t)((bn_u128)size * i / parts);
  }

  int64_t first_channel(int64_t i) const { return axis == Axis::channels ? begin(i) : 0; }

  // The index of part i's first value.
  int64_t offset(int64_t i) const {
    int64_t stride = axis == Axis::outer ? view.channels * view.inner : axis == Axis::channels ? view.inner : 1;
    return begin(i) * stride;
  }

  Block block(int64_t i) const {
    Block block = {view.outer, view.channels, view.inner, view.channels * view.inner, view.inner};
    int64_t size = begin(i + 1) - begin(i);
    (axis == Axis::outer ? block.outer : axis == Axis::channels ? block.channels : block.inner) = size;
    return block;
  }
};

static inline int64_t values_of(bn_view view) { return view.outer * view.channels * view.inner; }

// One part for each thread, or fewer.
static inline int64_t parts_for(bn_how how, bn_view view) {
  int64_t worth = values_of(view) / WORTH_A_THREAD;
  return worth < 1 ? 1 : worth < how.threads ? worth : how.threads;
}

// Cut where the pieces are contiguous.
static inline Cut cut_evenly(bn_view view, int64_t parts) {
  Axis axis = view.outer >= parts ? Axis::outer : view.channels >= parts ? Axis::channels : Axis::inner;
  return Cut{view, axis, axis == Axis::inner && view.inner < parts ? 1 : parts};
}

// Element passes go through the parts that each thread had of the sums in pieces, from the end: what was read last is
// still in the cache. Who is held up does fewer of them.
static inline Cut cut_elements(bn_how how, bn_view view) {
  const int64_t worth_a_piece = 131072;
  int64_t parts = parts_for(how, view), pieces = values_of(view) / (worth_a_piece * parts);
  if (view.outer >= parts && view.outer < parts * pieces) pieces = view.outer / parts;
  return cut_evenly(view, parts * (pieces < 1 ? 1 : pieces));
}

// The piece to take as the i-th.
static inline int64_t from_the_end(bn_how how, const Cut& cut, int64_t i) {
  int64_t parts = parts_for(how, cut.view);
  if (cut.parts % parts != 0) return cut.parts - 1 - i;
  int64_t pieces = cut.parts / parts;
  return i % parts * pieces + pieces - 1 - i / parts;
}

// What is written is not read again soon, and does not fit the caches.
static inline bool is_streamed(bn_view view, int type) {
  return values_of(view) * (int64_t)bytes_of(type) > CACHED_BYTES;
}

// Sums cut along channels where sums for each part would weigh against the data, and where channels lie in one piece:
// then no sums need to be merged. Else along rows, which are read whole.
static inline Cut cut_sums(bn_how how, bn_view view) {
  int64_t parts = parts_for(how, view);
  const int64_t few_values = 64;
  bool in_one_piece = view.inner >= few_values && view.channels >= 4 * parts;
  if (view.channels >= parts && (in_one_piece || view.outer * view.inner < few_values * parts)) {
    return Cut{view, Axis::channels, parts};
  }
  return cut_evenly(view, parts);
}

// Counts roads for bn_roads_taken.
void count_roads(const SumRoads& roads);

#endif
