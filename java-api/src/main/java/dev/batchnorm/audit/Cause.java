package dev.batchnorm.audit;

import java.util.List;

/**
 * What makes results differ from the formulas: conventions of other frameworks, mistakes that users
 * report, and arithmetic that loses digits. Sources: docs/audit.md.
 */
public enum Cause {
  UNBIASED_VARIANCE(
      "unbiased_variance", "normalised with the unbiased variance, V·m/(m − 1), instead of V"),
  EPS_MISSING("eps_missing", "eps was not added to the variance"),
  EPS_OUTSIDE_ROOT(
      "eps_outside_root", "eps was added to the standard deviation, not under the root"),
  EPS_1E_3("eps_1e-3", "eps was 1e-3", "keras", "mxnet", "tensorflow"),
  EPS_1E_5("eps_1e-5", "eps was 1e-5", "pytorch", "onnx", "flax"),
  EPS_1E_6("eps_1e-6", "eps was 1e-6"),
  EPS_1E_8("eps_1e-8", "eps was 1e-8"),
  GAMMA_MISSING("gamma_missing", "gamma was not applied", "mxnet"),
  BETA_MISSING("beta_missing", "beta was not applied"),
  GAMMA_BETA_SWAPPED("gamma_beta_swapped", "gamma and beta were taken for each other"),
  STALE_STATISTICS(
      "stale_statistics",
      "the running statistics were used, or left as they were, where the batch's own count",
      "pytorch",
      "onnx",
      "keras"),
  BATCH_STATISTICS(
      "batch_statistics", "the batch's own statistics were used where given ones count", "pytorch"),
  MEAN_VARIANCE_SWAPPED("mean_variance_swapped", "mean and variance were taken for each other"),
  WRONG_AXIS("wrong_axis", "the statistics were taken along other axes"),
  WRONG_COUNT("wrong_count", "sums were divided by another number than the values of a channel"),
  BIASED_RUNNING_VARIANCE(
      "biased_running_variance",
      "the running variance averages the biased variance",
      "onnx",
      "keras",
      "flax",
      "mxnet",
      "mlx"),
  UNBIASED_RUNNING_VARIANCE(
      "unbiased_running_variance",
      "the running variance averages the unbiased variance",
      "pytorch",
      "cudnn",
      "miopen",
      "tensorflow"),
  MOMENTUM_OLD(
      "momentum_old",
      "momentum weighed the old value",
      "onnx",
      "keras",
      "flax",
      "mxnet",
      "dl4j",
      "djl"),
  MOMENTUM_NEW("momentum_new", "momentum weighed the new batch", "pytorch", "cudnn", "miopen"),
  MOMENTUM_0_1("momentum_0.1", "the new batch weighed 0.1", "pytorch", "onnx", "mxnet"),
  MOMENTUM_0_01("momentum_0.01", "the new batch weighed 0.01", "keras", "flax"),
  EPS_IN_RUNNING_VARIANCE(
      "eps_in_running_variance", "eps was added to the variance before it was averaged", "dl4j"),
  VARIANCE_AS_INVERSE_STD(
      "variance_as_inverse_std",
      "variance and inverse standard deviation were taken for each other",
      "onednn",
      "pytorch",
      "cudnn"),
  STD_AS_VARIANCE("std_as_variance", "the standard deviation stands for the variance", "dl4j"),
  STD_AS_INVERSE_STD("std_as_inverse_std", "the standard deviation stands for its inverse", "dl4j"),
  INVERSE_VARIANCE_AS_INVERSE_STD(
      "inverse_variance_as_inverse_std", "1/variance stands for the inverse std", "mxnet"),
  CONSTANT_STATISTICS(
      "constant_statistics", "the gradient took the batch's statistics for constants"),
  MEAN_GRADIENT_MISSING(
      "mean_gradient_missing", "the gradient through the mean, the mean of dy, was left out"),
  VARIANCE_GRADIENT_MISSING(
      "variance_gradient_missing", "the gradient through the variance was left out"),
  GRADIENTS_AVERAGED(
      "gradients_averaged", "the gradients of gamma and beta were averaged, not summed"),
  TWO_PASS_F32("two_pass_f32", "sums in f32, one value after another", "onednn", "pytorch"),
  WELFORD_F32("welford_f32", "Welford's update in f32", "pytorch"),
  ONE_PASS_F32(
      "one_pass_f32",
      "the variance as E[x²] − mean² in f32, which cancels",
      "tensorflow",
      "onednn"),
  ONE_PASS_F32_CLIPPED(
      "one_pass_f32_clipped", "the variance as max(E[x²] − mean², 0) in f32", "flax"),
  TWO_PASS_F64("two_pass_f64", "sums in f64, one value after another"),
  WELFORD_F64("welford_f64", "Welford's update in f64"),
  ONE_PASS_F64("one_pass_f64", "the variance as E[x²] − mean² in f64, which cancels"),
  ONE_PASS_F64_CLIPPED("one_pass_f64_clipped", "the variance as max(E[x²] − mean², 0) in f64");

  private final String label;
  private final String meaning;
  private final List<String> frameworks;

  Cause(String label, String meaning, String... frameworks) {
    this.label = label;
    this.meaning = meaning;
    this.frameworks = List.of(frameworks);
  }

  /** Whether it is a variance as E[x²] − mean². */
  boolean isOnePass() {
    return label.startsWith("one_pass");
  }

  /** The name in reports. */
  public String label() {
    return label;
  }

  /** What was done, in words. */
  public String meaning() {
    return meaning;
  }

  /** The frameworks that are known to do so, in lower case; empty if it is nobody's convention. */
  public List<String> frameworks() {
    return frameworks;
  }
}
