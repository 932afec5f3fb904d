package dev.batchnorm.nativeengine;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.annotation.Raw;
import org.jspecify.annotations.Nullable;

/**
 * The C ABI ({@code batchnorm.h}), one method a function. Memory is an array and an offset in
 * bytes, or null and an address. Methods return 0, 1 when memory ran out, or {@link #WANTS_LIMBS}.
 *
 * <p>Arrays are passed raw and pinned by {@code binding.h}: JavaCPP would copy them, and would want
 * an overload for every combination of types.
 */
@Properties({
  @Platform(include = "binding.h", link = "batchnorm"),
  @Platform(
      value = "linux",
      link = {"dl", "batchnorm"}) // linked in reverse order
})
final class Kernels {
  /**
   * The sums came without limbs and need them; nothing was added, but to sums of pairs, which are
   * spoilt.
   */
  static final int WANTS_LIMBS = 2;

  private Kernels() {}

  /**
   * Loads the library, from the class path or from JavaCPP's cache; an {@link UnsatisfiedLinkError}
   * tells why it cannot be. Not by {@code Loader.load}, which hides the linker's reason behind the
   * search path and takes longer.
   */
  static void load() {
    String platform = Loader.getPlatform();
    String library = platform + "/" + System.mapLibraryName("jniKernels");
    URL resource = Kernels.class.getResource(library);
    if (resource == null) {
      throw new UnsatisfiedLinkError("batchnorm-native was built without kernels for " + platform);
    }
    try {
      System.load(file(resource).getAbsolutePath());
    } catch (IOException e) {
      UnsatisfiedLinkError error =
          new UnsatisfiedLinkError("the kernels cannot be unpacked: " + e.getMessage());
      error.initCause(e);
      throw error;
    }
  }

  /** A library of the class path as a file: itself, or its copy in JavaCPP's cache. */
  static File file(URL resource) throws IOException {
    try {
      return resource.getProtocol().equals("file")
          ? new File(resource.toURI())
          : Loader.cacheResource(resource);
    } catch (URISyntaxException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** Whether the processor has the instruction set; 1 or 0. */
  @Name("jni_isa_available")
  static native int isaAvailable(@Raw(withEnv = true) int isa);

  @Name("jni_address")
  static native long address(@Raw(withEnv = true) Object directBuffer);

  @Name("jni_add_statistics")
  static native int addStatistics(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      long stride,
      @Raw @Nullable Object limbs,
      long first,
      int limbsPerChannel);

  @Name("jni_add_gradient_sums")
  static native int addGradientSums(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int dyType,
      @Raw @Nullable Object dy,
      long dyAt,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      long stride,
      @Raw @Nullable Object limbs,
      long first,
      int limbsPerChannel);

  @Name("jni_parameters")
  static native int parameters(
      @Raw(withEnv = true) int isa,
      int threads,
      long channels,
      int xType,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      double eps,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object variance,
      @Raw Object inverseStd);

  @Name("jni_unbiased_variance")
  static native int unbiasedVariance(
      @Raw(withEnv = true) int isa,
      int threads,
      long channels,
      int xType,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      @Raw Object variance);

  @Name("jni_given_inverse_std")
  static native int givenInverseStd(
      @Raw(withEnv = true) int isa,
      int threads,
      long channels,
      @Raw Object variance,
      double eps,
      @Raw Object inverseStd);

  @Name("jni_gradient_parameters")
  static native int gradientParameters(
      @Raw(withEnv = true) int isa,
      int threads,
      long channels,
      int dyType,
      int xType,
      @Raw Object gradientCounts,
      @Raw Object gradientFlags,
      @Raw Object gradientTerms,
      @Raw @Nullable Object gradientLimbs,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      double eps,
      int resultType,
      @Raw Object k1,
      @Raw Object k1Lo,
      @Raw Object k2,
      @Raw Object dgamma,
      @Raw Object dbeta);

  @Name("jni_frozen_gradient_parameters")
  static native int frozenGradientParameters(
      @Raw(withEnv = true) int isa,
      int threads,
      long channels,
      int dyType,
      int xType,
      @Raw Object gradientCounts,
      @Raw Object gradientFlags,
      @Raw Object gradientTerms,
      @Raw @Nullable Object gradientLimbs,
      @Raw Object mean,
      @Raw Object variance,
      double eps,
      int resultType,
      @Raw Object dgamma,
      @Raw Object dbeta);

  @Name("jni_normalise")
  static native int normalise(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object a,
      @Raw Object beta,
      long first,
      int yType,
      @Raw @Nullable Object y,
      long yAt);

  @Name("jni_input_gradient")
  static native int inputGradient(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int dyType,
      @Raw @Nullable Object dy,
      long dyAt,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object a,
      @Raw Object k1,
      @Raw Object k1Lo,
      @Raw Object k2,
      long first,
      int dxType,
      @Raw @Nullable Object dx,
      long dxAt);

  @Name("jni_frozen_input_gradient")
  static native int frozenInputGradient(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int dyType,
      @Raw @Nullable Object dy,
      long dyAt,
      @Raw Object a,
      long first,
      int dxType,
      @Raw @Nullable Object dx,
      long dxAt);

  @Name("jni_forward")
  static native int forward(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      double eps,
      @Raw Object gamma,
      @Raw Object beta,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object variance,
      @Raw Object inverseStd,
      int yType,
      @Raw @Nullable Object y,
      long yAt);

  @Name("jni_backward")
  static native int backward(
      @Raw(withEnv = true) int isa,
      int threads,
      long outer,
      long channels,
      long inner,
      int dyType,
      @Raw @Nullable Object dy,
      long dyAt,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object a,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      double eps,
      int resultType,
      @Raw Object k1,
      @Raw Object k1Lo,
      @Raw Object k2,
      @Raw Object dgamma,
      @Raw Object dbeta,
      int dxType,
      @Raw @Nullable Object dx,
      long dxAt);

  /** Whether the functions for text were built; 1 or 0. */
  @Name("bn_text_available")
  static native int textAvailable();

  /** The number of records; with consumed[0] = 0 where memory ran out. */
  @Name("jni_read_records")
  static native long readRecords(
      @Raw(withEnv = true) int type,
      int delimiter,
      int comment,
      int fields,
      @Raw Object selected,
      int columns,
      @Raw Object text,
      long first,
      long size,
      long startsBefore,
      long most,
      @Raw Object values,
      @Raw Object consumed);

  @Name("jni_write_numbers")
  static native int writeNumbers(
      @Raw(withEnv = true) int type, long values, long count, @Raw Object text, @Raw Object ends);

  /** The number of bytes; −1 where memory ran out. */
  @Name("jni_write_rows")
  static native long writeRows(
      @Raw(withEnv = true) int type,
      long values,
      long count,
      long first,
      long columns,
      int delimiter,
      int carriageReturn,
      @Raw Object text);

  @Name("jni_add_pairs")
  static native int addPairs(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long columns,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object terms,
      long stride,
      @Raw @Nullable Object limbs);

  @Name("jni_covariances")
  static native int covariances(
      @Raw(withEnv = true) int isa,
      int threads,
      long columns,
      int xType,
      @Raw Object counts,
      @Raw Object flags,
      @Raw Object terms,
      @Raw @Nullable Object limbs,
      @Raw Object pairTerms,
      long pairs,
      @Raw @Nullable Object pairLimbs,
      @Raw Object covariance);

  @Name("jni_add_centred_gram")
  static native int addCentredGram(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long columns,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object mean,
      @Raw Object meanLo,
      @Raw Object gram);

  @Name("jni_add_centred_products")
  static native int addCentredProducts(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long columns,
      int aType,
      @Raw @Nullable Object a,
      long aAt,
      @Raw Object aMean,
      @Raw Object aMeanLo,
      long units,
      int bType,
      @Raw @Nullable Object b,
      long bAt,
      @Raw Object bMean,
      @Raw Object bMeanLo,
      @Raw Object products);

  @Name("jni_add_projected_moments")
  static native int addProjectedMoments(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long columns,
      int xType,
      @Raw @Nullable Object x,
      long xAt,
      @Raw Object mean,
      @Raw Object meanLo,
      long units,
      @Raw Object w,
      @Raw Object squares,
      @Raw Object products);

  @Name("jni_multiply")
  static native int multiply(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long columns,
      @Raw Object s,
      long units,
      @Raw Object w,
      @Raw Object product);

  @Name("jni_projections")
  static native int projections(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long units,
      @Raw Object v,
      int wType,
      @Raw @Nullable Object w,
      long wAt,
      @Raw Object projections);

  @Name("jni_quadratic_forms")
  static native int quadraticForms(
      @Raw(withEnv = true) int isa,
      int threads,
      long rows,
      long units,
      @Raw Object s,
      int wType,
      @Raw @Nullable Object w,
      long wAt,
      @Raw Object forms);

  /** Null, or why it cannot be used; paths end in a 0 byte each. */
  @Name("jni_blas_open")
  static native @Nullable String blasOpen(@Raw(withEnv = true) Object libraries);

  /** Null unless it is open. */
  @Name("bn_blas_config")
  static native @Nullable String blasConfig();

  /** Null unless it is open and tells. */
  @Name("bn_blas_core")
  static native @Nullable String blasCore();
}
