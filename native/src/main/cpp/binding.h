// The C ABI as JavaCPP binds it: memory comes as a Java array and an offset in bytes, or as null and an address.
#ifndef BATCHNORM_BINDING_H
#define BATCHNORM_BINDING_H

#include <jni.h>

#include <string>

#include "batchnorm.h"

// Java arrays pinned for the time of one call. Between the first and the last no other JNI function may be called.
class Pinned {
 public:
  explicit Pinned(JNIEnv* env) : env_(env) {}
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

  ~Pinned() {
    while (count_ > 0) {
      count_--;
      env_->ReleasePrimitiveArrayCritical(arrays_[count_], starts_[count_], modes_[count_]);
    }
  }

  bool out_of_memory() const { return out_of_memory_; }

  // Memory that is only read: not copied back on a virtual machine that pins by copying.
  const void* in(jobject array, jlong offset_or_address) { return pin(array, offset_or_address, JNI_ABORT); }

  const double* in_doubles(jobject array, jlong first = 0) { return (const double*)in(array, 8 * first); }

  void* out(jobject array, jlong offset_or_address) { return pin(array, offset_or_address, 0); }

  double* out_doubles(jobject array) { return (double*)out(array, 0); }

  // Sums of `stride` channels, of which `first` is the chunk's first; limbs may be null.
  bn_sums sums(jobject counts, jobject flags, jobject terms, jlong stride, jobject limbs, jlong first,
               jint limbs_per_channel, jint mode) {
    void* limbs_at = limbs == nullptr ? nullptr : pin(limbs, 8 * first * limbs_per_channel, mode);
    return bn_sums{(int64_t*)pin(counts, 8 * first, mode), (int32_t*)pin(flags, 4 * first, mode),
                   (double*)pin(terms, 8 * first, mode), stride, (uint64_t*)limbs_at};
  }

  // Sums of all channels, only read.
  bn_sums in_sums(jobject counts, jobject flags, jobject terms, jlong channels, jobject limbs) {
    return sums(counts, flags, terms, channels, limbs, 0, 0, JNI_ABORT);
  }

 private:
  char* pin(jobject array, jlong offset_or_address, jint mode) {
    if (array == nullptr) return (char*)offset_or_address;
    char* start = (char*)env_->GetPrimitiveArrayCritical((jarray)array, nullptr);
    if (start == nullptr) {
      out_of_memory_ = true;
      return nullptr;
    }
    arrays_[count_] = (jarray)array;
    modes_[count_] = mode;
    starts_[count_++] = start;
    return start + offset_or_address;
  }

  JNIEnv* env_;
  jarray arrays_[16];
  void* starts_[16];
  jint modes_[16];
  int count_ = 0;
  bool out_of_memory_ = false;
};

#define BN_RETURN_IF_OUT_OF_MEMORY(pinned) \
  if (pinned.out_of_memory()) return BN_OUT_OF_MEMORY

static inline jlong jni_address(JNIEnv* env, jclass, jobject buffer) {
  return (jlong)env->GetDirectBufferAddress(buffer);
}

static inline jint jni_add_statistics(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels,
                                      jlong inner, jint x_type, jobject x, jlong x_at, jobject counts, jobject flags,
                                      jobject terms, jlong stride, jobject limbs, jlong first, jint limbs_per_channel) {
  Pinned pin(env);
  const void* x_values = pin.in(x, x_at);
  bn_sums sums = pin.sums(counts, flags, terms, stride, limbs, first, limbs_per_channel, 0);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_statistics(bn_how{isa, threads}, bn_view{outer, channels, inner}, x_type, x_values, sums);
}

static inline jint jni_add_gradient_sums(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels,
                                         jlong inner, jint dy_type, jobject dy, jlong dy_at, jint x_type, jobject x,
                                         jlong x_at, jobject counts, jobject flags, jobject terms, jlong stride,
                                         jobject limbs, jlong first, jint limbs_per_channel) {
  Pinned pin(env);
  const void *dy_values = pin.in(dy, dy_at), *x_values = pin.in(x, x_at);
  bn_sums sums = pin.sums(counts, flags, terms, stride, limbs, first, limbs_per_channel, 0);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_gradient_sums(bn_how{isa, threads}, bn_view{outer, channels, inner}, dy_type, dy_values, x_type,
                              x_values, sums);
}

static inline jint jni_parameters(JNIEnv* env, jclass, jint isa, jint threads, jlong channels, jint x_type,
                                  jobject counts, jobject flags, jobject terms, jobject limbs, jdouble eps, jobject mean,
                                  jobject mean_lo, jobject variance, jobject inverse_std) {
  Pinned pin(env);
  bn_sums sums = pin.in_sums(counts, flags, terms, channels, limbs);
  double *m = pin.out_doubles(mean), *lo = pin.out_doubles(mean_lo), *v = pin.out_doubles(variance),
         *s = pin.out_doubles(inverse_std);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_parameters(bn_how{isa, threads}, channels, x_type, sums, eps, m, lo, v, s);
}

static inline jint jni_unbiased_variance(JNIEnv* env, jclass, jint isa, jint threads, jlong channels, jint x_type,
                                         jobject counts, jobject flags, jobject terms, jobject limbs, jobject variance) {
  Pinned pin(env);
  bn_sums sums = pin.in_sums(counts, flags, terms, channels, limbs);
  double* v = pin.out_doubles(variance);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_unbiased_variance(bn_how{isa, threads}, channels, x_type, sums, v);
}

static inline jint jni_given_inverse_std(JNIEnv* env, jclass, jint isa, jint threads, jlong channels, jobject variance,
                                         jdouble eps, jobject inverse_std) {
  Pinned pin(env);
  const double* v = pin.in_doubles(variance);
  double* s = pin.out_doubles(inverse_std);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_given_inverse_std(bn_how{isa, threads}, channels, v, eps, s);
}

static inline jint jni_gradient_parameters(JNIEnv* env, jclass, jint isa, jint threads, jlong channels, jint dy_type,
                                           jint x_type, jobject gradient_counts, jobject gradient_flags, jobject gradient_terms,
                                           jobject gradient_limbs, jobject counts, jobject flags, jobject terms,
                                           jobject limbs, jdouble eps, jint result_type, jobject k1, jobject k1_lo,
                                           jobject k2, jobject dgamma, jobject dbeta) {
  Pinned pin(env);
  bn_sums gradients = pin.in_sums(gradient_counts, gradient_flags, gradient_terms, channels, gradient_limbs);
  bn_sums sums = pin.in_sums(counts, flags, terms, channels, limbs);
  double *k = pin.out_doubles(k1), *lo = pin.out_doubles(k1_lo), *kk = pin.out_doubles(k2),
         *dg = pin.out_doubles(dgamma), *db = pin.out_doubles(dbeta);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_gradient_parameters(bn_how{isa, threads}, channels, dy_type, x_type, gradients, sums, eps,
                                result_type, k, lo, kk, dg, db);
}

static inline jint jni_frozen_gradient_parameters(JNIEnv* env, jclass, jint isa, jint threads, jlong channels,
                                                  jint dy_type, jint x_type, jobject gradient_counts,
                                                  jobject gradient_flags, jobject gradient_terms, jobject gradient_limbs, jobject mean,
                                                  jobject variance, jdouble eps, jint result_type, jobject dgamma,
                                                  jobject dbeta) {
  Pinned pin(env);
  bn_sums gradients = pin.in_sums(gradient_counts, gradient_flags, gradient_terms, channels, gradient_limbs);
  const double *m = pin.in_doubles(mean), *v = pin.in_doubles(variance);
  double *dg = pin.out_doubles(dgamma), *db = pin.out_doubles(dbeta);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_frozen_gradient_parameters(bn_how{isa, threads}, channels, dy_type, x_type, gradients, m, v, eps,
                                       result_type, dg, db);
}

static inline jint jni_normalise(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels, jlong inner,
                                 jint x_type, jobject x, jlong x_at, jobject mean, jobject mean_lo, jobject a,
                                 jobject beta, jlong first, jint y_type, jobject y, jlong y_at) {
  Pinned pin(env);
  const void* x_values = pin.in(x, x_at);
  void* y_values = pin.out(y, y_at);
  const double *m = pin.in_doubles(mean, first), *lo = pin.in_doubles(mean_lo, first),
               *scale = pin.in_doubles(a, first), *shift = pin.in_doubles(beta, first);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_normalise(bn_how{isa, threads}, bn_view{outer, channels, inner}, x_type, x_values, m, lo, scale, shift,
                      y_type, y_values);
}

static inline jint jni_input_gradient(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels,
                                      jlong inner, jint dy_type, jobject dy, jlong dy_at, jint x_type, jobject x,
                                      jlong x_at, jobject mean, jobject mean_lo, jobject a, jobject k1, jobject k1_lo,
                                      jobject k2, jlong first, jint dx_type, jobject dx, jlong dx_at) {
  Pinned pin(env);
  const void *dy_values = pin.in(dy, dy_at), *x_values = pin.in(x, x_at);
  void* dx_values = pin.out(dx, dx_at);
  const double *m = pin.in_doubles(mean, first), *lo = pin.in_doubles(mean_lo, first),
               *scale = pin.in_doubles(a, first), *k = pin.in_doubles(k1, first),
               *k_lo = pin.in_doubles(k1_lo, first), *kk = pin.in_doubles(k2, first);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_input_gradient(bn_how{isa, threads}, bn_view{outer, channels, inner}, dy_type, dy_values, x_type, x_values,
                           m, lo, scale, k, k_lo, kk, dx_type, dx_values);
}

static inline jint jni_frozen_input_gradient(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels,
                                             jlong inner, jint dy_type, jobject dy, jlong dy_at, jobject a,
                                             jlong first, jint dx_type, jobject dx, jlong dx_at) {
  Pinned pin(env);
  const void* dy_values = pin.in(dy, dy_at);
  void* dx_values = pin.out(dx, dx_at);
  const double* scale = pin.in_doubles(a, first);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_frozen_input_gradient(bn_how{isa, threads}, bn_view{outer, channels, inner}, dy_type, dy_values, scale,
                                  dx_type, dx_values);
}

static inline jint jni_forward(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels, jlong inner,
                               jint x_type, jobject x, jlong x_at, jdouble eps, jobject gamma, jobject beta,
                               jobject counts, jobject flags, jobject terms, jobject limbs, jobject mean,
                               jobject mean_lo, jobject variance, jobject inverse_std, jint y_type, jobject y,
                               jlong y_at) {
  Pinned pin(env);
  const void* x_values = pin.in(x, x_at);
  void* y_values = pin.out(y, y_at);
  const double *scale = pin.in_doubles(gamma), *shift = pin.in_doubles(beta);
  bn_sums sums = pin.sums(counts, flags, terms, channels, limbs, 0, 0, 0);
  double *m = pin.out_doubles(mean), *lo = pin.out_doubles(mean_lo), *v = pin.out_doubles(variance),
         *s = pin.out_doubles(inverse_std);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_forward(bn_how{isa, threads}, bn_view{outer, channels, inner}, x_type, x_values, eps, scale, shift, sums, m,
                    lo, v, s, y_type, y_values);
}

static inline jint jni_backward(JNIEnv* env, jclass, jint isa, jint threads, jlong outer, jlong channels, jlong inner,
                                jint dy_type, jobject dy, jlong dy_at, jint x_type, jobject x, jlong x_at,
                                jobject mean, jobject mean_lo, jobject a, jobject counts, jobject flags, jobject terms,
                                jobject limbs, jdouble eps, jint result_type, jobject k1, jobject k1_lo, jobject k2,
                                jobject dgamma, jobject dbeta, jint dx_type, jobject dx, jlong dx_at) {
  Pinned pin(env);
  const void *dy_values = pin.in(dy, dy_at), *x_values = pin.in(x, x_at);
  void* dx_values = pin.out(dx, dx_at);
  const double *m = pin.in_doubles(mean), *lo = pin.in_doubles(mean_lo), *scale = pin.in_doubles(a);
  bn_sums sums = pin.in_sums(counts, flags, terms, channels, limbs);
  double *k = pin.out_doubles(k1), *k_lo = pin.out_doubles(k1_lo), *kk = pin.out_doubles(k2),
         *dg = pin.out_doubles(dgamma), *db = pin.out_doubles(dbeta);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_backward(bn_how{isa, threads}, bn_view{outer, channels, inner}, dy_type, dy_values, x_type, x_values, m, lo,
                     scale, sums, eps, result_type, k, k_lo, kk, dg, db, dx_type, dx_values);
}

static inline jint jni_isa_available(JNIEnv*, jclass, jint isa) { return bn_isa_available(isa); }

static inline jlong jni_read_records(JNIEnv* env, jclass, jint type, jint delimiter, jint comment, jint fields,
                                     jobject selected, jint columns, jobject text, jlong first, jlong size,
                                     jlong starts_before, jlong most, jobject values, jobject consumed) {
  Pinned pin(env);
  const int32_t* which = (const int32_t*)pin.in(selected, 0);
  const char* from = (const char*)pin.in(text, first);
  double* to = pin.out_doubles(values);
  int64_t* bytes = (int64_t*)pin.out(consumed, 0);
  if (pin.out_of_memory()) return 0;
  return bn_read_records(bn_records{type, delimiter, comment, fields, columns, which}, from, size, starts_before, most,
                         to, bytes);
}

static inline jint jni_write_numbers(JNIEnv* env, jclass, jint type, jlong values, jlong count, jobject text,
                                     jobject ends) {
  Pinned pin(env);
  char* to = (char*)pin.out(text, 0);
  int32_t* where = (int32_t*)pin.out(ends, 0);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  bn_write_numbers(type, (const void*)values, count, to, where);
  return BN_OK;
}

static inline jlong jni_write_rows(JNIEnv* env, jclass, jint type, jlong values, jlong count, jlong first,
                                   jlong columns, jint delimiter, jint carriage_return, jobject text) {
  Pinned pin(env);
  char* to = (char*)pin.out(text, 0);
  if (pin.out_of_memory()) return -1;
  return bn_write_rows(type, (const void*)values, count, first, columns, delimiter, carriage_return, to);
}

static inline jint jni_add_pairs(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong columns, jint x_type,
                                 jobject x, jlong x_at, jobject terms, jlong stride, jobject limbs) {
  Pinned pin(env);
  const void* values = pin.in(x, x_at);
  bn_pair_sums sums = {pin.out_doubles(terms), stride, limbs == nullptr ? nullptr : (uint64_t*)pin.out(limbs, 0)};
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_pairs(bn_how{isa, threads}, rows, columns, x_type, values, sums);
}

static inline jint jni_covariances(JNIEnv* env, jclass, jint isa, jint threads, jlong columns, jint x_type,
                                   jobject counts, jobject flags, jobject terms, jobject limbs, jobject pair_terms,
                                   jlong pairs, jobject pair_limbs, jobject covariance) {
  Pinned pin(env);
  bn_sums singles = pin.in_sums(counts, flags, terms, columns, limbs);
  void* limbs_at = pair_limbs == nullptr ? nullptr : (void*)pin.in(pair_limbs, 0);
  bn_pair_sums sums = {(double*)pin.in(pair_terms, 0), pairs, (uint64_t*)limbs_at};
  double* to = pin.out_doubles(covariance);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_covariances(bn_how{isa, threads}, columns, x_type, singles, sums, to);
}

static inline jint jni_add_centred_gram(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong columns,
                                        jint x_type, jobject x, jlong x_at, jobject mean, jobject mean_lo,
                                        jobject gram) {
  Pinned pin(env);
  const void* values = pin.in(x, x_at);
  const double *m = pin.in_doubles(mean), *lo = pin.in_doubles(mean_lo);
  double* to = pin.out_doubles(gram);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_centred_gram(bn_how{isa, threads}, rows, columns, x_type, values, m, lo, to);
}

static inline jint jni_add_centred_products(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong columns,
                                            jint a_type, jobject a, jlong a_at, jobject a_mean, jobject a_mean_lo,
                                            jlong units, jint b_type, jobject b, jlong b_at, jobject b_mean,
                                            jobject b_mean_lo, jobject products) {
  Pinned pin(env);
  const void *a_values = pin.in(a, a_at), *b_values = pin.in(b, b_at);
  const double *a_m = pin.in_doubles(a_mean), *a_lo = pin.in_doubles(a_mean_lo), *b_m = pin.in_doubles(b_mean),
               *b_lo = pin.in_doubles(b_mean_lo);
  double* to = pin.out_doubles(products);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_centred_products(bn_how{isa, threads}, rows, columns, a_type, a_values, a_m, a_lo, units, b_type,
                                 b_values, b_m, b_lo, to);
}

static inline jint jni_add_projected_moments(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong columns,
                                             jint x_type, jobject x, jlong x_at, jobject mean, jobject mean_lo,
                                             jlong units, jobject w, jobject squares, jobject products) {
  Pinned pin(env);
  const void* values = pin.in(x, x_at);
  const double *m = pin.in_doubles(mean), *lo = pin.in_doubles(mean_lo), *weights = pin.in_doubles(w);
  double *to_squares = pin.out_doubles(squares), *to_products = pin.out_doubles(products);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_add_projected_moments(bn_how{isa, threads}, rows, columns, x_type, values, m, lo, units, weights,
                                  to_squares, to_products);
}

static inline jint jni_multiply(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong columns, jobject s,
                                jlong units, jobject w, jobject product) {
  Pinned pin(env);
  const double *left = pin.in_doubles(s), *right = pin.in_doubles(w);
  double* to = pin.out_doubles(product);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_multiply(bn_how{isa, threads}, rows, columns, left, units, right, to);
}

static inline jint jni_projections(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong units, jobject v,
                                   jint w_type, jobject w, jlong w_at, jobject projections) {
  Pinned pin(env);
  const double* vector = pin.in_doubles(v);
  const void* weights = pin.in(w, w_at);
  double* to = pin.out_doubles(projections);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_projections(bn_how{isa, threads}, rows, units, vector, w_type, weights, to);
}

static inline jint jni_quadratic_forms(JNIEnv* env, jclass, jint isa, jint threads, jlong rows, jlong units,
                                       jobject s, jint w_type, jobject w, jlong w_at, jobject forms) {
  Pinned pin(env);
  const double* matrix = pin.in_doubles(s);
  const void* weights = pin.in(w, w_at);
  double* to = pin.out_doubles(forms);
  BN_RETURN_IF_OUT_OF_MEMORY(pin);
  return bn_quadratic_forms(bn_how{isa, threads}, rows, units, matrix, w_type, weights, to);
}

// Linking takes milliseconds: the paths are copied rather than pinned meanwhile.
static inline const char* jni_blas_open(JNIEnv* env, jclass, jobject libraries) {
  jbyteArray array = (jbyteArray)libraries;
  std::string paths((size_t)env->GetArrayLength(array), '\0');
  env->GetByteArrayRegion(array, 0, (jsize)paths.size(), (jbyte*)&paths[0]);
  return bn_blas_open(paths.c_str());
}

#endif
