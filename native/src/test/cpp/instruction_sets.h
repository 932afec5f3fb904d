// The instruction sets of this machine; one it lacks is reported as skipped.
#ifndef BATCHNORM_TEST_INSTRUCTION_SETS_H
#define BATCHNORM_TEST_INSTRUCTION_SETS_H

#include "check.h"
#include "kernels/kernels.h"

struct InstructionSet {
  const char* name;
  int isa;
  const Kernels* kernels;
};

inline const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> found = [] {
    const InstructionSet all[] = {
        {"baseline", BN_BASELINE, &kernels_baseline},
#if defined(__x86_64__)
        {"avx2", BN_AVX2, &kernels_avx2},
        {"avx512", BN_AVX512, &kernels_avx512},
#endif
    };
    std::vector<InstructionSet> result;
    for (const InstructionSet& set : all) {
      if (bn_isa_available(set.isa)) {
        result.push_back(set);
      } else {
        printf("skipped: %s, which this processor does not have\n", set.name);
      }
    }
    return result;
  }();
  return found;
}

#endif
