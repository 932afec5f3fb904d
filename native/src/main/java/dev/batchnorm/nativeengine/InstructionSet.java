package dev.batchnorm.nativeengine;

import dev.batchnorm.EngineUnavailableException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The instruction sets the kernels are compiled for, the plainest first; ordinals are those of
 * {@code batchnorm.h}.
 */
public enum InstructionSet {
  BASELINE(0),
  AVX2(1),
  AVX512(2);

  private final int code;

  InstructionSet(int code) {
    this.code = code;
  }

  /** Its number in {@code batchnorm.h}. */
  int code() {
    return code;
  }

  /** The name in {@code BATCHNORM_ISA} and in messages. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether this processor has it. The kernels must be loaded. */
  boolean available() {
    return Kernels.isaAvailable(code()) == 1;
  }

  /** The richest one this processor has. */
  static InstructionSet best() {
    return AVX512.available() ? AVX512 : AVX2.available() ? AVX2 : BASELINE;
  }

  /**
   * The one of that name.
   *
   * @throws EngineUnavailableException if there is none, or the processor lacks it
   */
  static InstructionSet named(String label) {
    for (InstructionSet isa : values()) {
      if (isa.label().equals(label)) {
        if (!isa.available()) {
          throw new EngineUnavailableException(
              "BATCHNORM_ISA: expected an instruction set of this processor (up to "
                  + best().label()
                  + "), found "
                  + label);
        }
        return isa;
      }
    }
    String known =
        Arrays.stream(values()).map(InstructionSet::label).collect(Collectors.joining(", "));
    throw new EngineUnavailableException(
        "BATCHNORM_ISA: expected one of " + known + ", found \"" + label + "\"");
  }
}
