package dev.batchnorm.nativeengine;

import dev.batchnorm.CrossSums;
import dev.batchnorm.ExactSums;
import dev.batchnorm.Values;
import dev.batchnorm.engine.LinearAlgebra;

/**
 * The passes of linear algebra by C++ kernels: products of matrices through OpenBLAS, which is
 * opened by the first pass that needs it, on one thread of each of ours.
 */
final class NativeLinearAlgebra extends LinearAlgebra {
  private final InstructionSet isa;
  private final int threads;

  NativeLinearAlgebra(InstructionSet isa, int threads) {
    this.isa = isa;
    this.threads = threads;
  }

  @Override
  public String description() {
    return OpenBlas.open().description() + ", " + NativeEngine.text(isa, threads);
  }

  @Override
  protected int threads() {
    return threads;
  }

  @Override
  protected void doAddPairs(Values x, int rows, CrossSums sums) {
    OpenBlas.open();
    ExactSums pairs = sums.pairs();
    double[] before = pairs.limbs() == null ? pairs.terms().clone() : new double[0];
    int status = addPairs(x, rows, sums);
    if (status == Kernels.WANTS_LIMBS) {
      System.arraycopy(before, 0, pairs.terms(), 0, before.length);
      pairs.ensureLimbs();
      status = addPairs(x, rows, sums);
    }
    NativeEngine.check(status, x);
  }

  private int addPairs(Values x, int rows, CrossSums sums) {
    Memory at = Memory.of(x);
    ExactSums pairs = sums.pairs();
    return Kernels.addPairs(
        isa.code(),
        threads,
        rows,
        sums.columns(),
        NativeEngine.type(x.type()),
        at.array(),
        at.at(),
        pairs.terms(),
        pairs.channels(),
        pairs.limbs());
  }

  @Override
  protected double[] doCovariance(CrossSums sums) {
    int d = sums.columns();
    ExactSums singles = sums.singles();
    ExactSums pairs = sums.pairs();
    double[] covariance = new double[d * d];
    NativeEngine.check(
        Kernels.covariances(
            isa.code(),
            threads,
            d,
            NativeEngine.linearType(singles),
            singles.counts(),
            singles.flags(),
            singles.terms(),
            singles.limbs(),
            pairs.terms(),
            pairs.channels(),
            pairs.limbs(),
            covariance));
    double[] variance = new NativeEngine(isa, threads).parameters(singles, 0).variance();
    for (int i = 0; i < d; i++) {
      covariance[i * d + i] = variance[i];
    }
    return covariance;
  }

  @Override
  protected double[] doQuadraticForms(double[] s, Values w, int units) {
    Memory at = Memory.of(w);
    double[] q = new double[units];
    NativeEngine.check(
        Kernels.quadraticForms(
            isa.code(),
            threads,
            rows(w, units),
            units,
            s,
            NativeEngine.type(w.type()),
            at.array(),
            at.at(),
            q),
        w);
    return q;
  }

  @Override
  protected double[] doProjections(double[] v, Values w, int units) {
    Memory at = Memory.of(w);
    double[] projections = new double[units];
    NativeEngine.check(
        Kernels.projections(
            isa.code(),
            threads,
            v.length,
            units,
            v,
            NativeEngine.type(w.type()),
            at.array(),
            at.at(),
            projections),
        w);
    return projections;
  }

  @Override
  protected void doAddCentredGram(Values x, int rows, Centre centre, double[] gram) {
    OpenBlas.open();
    Memory at = Memory.of(x);
    NativeEngine.check(
        Kernels.addCentredGram(
            isa.code(),
            threads,
            rows,
            centre.mean().length,
            NativeEngine.type(x.type()),
            at.array(),
            at.at(),
            centre.mean(),
            centre.meanLo(),
            gram),
        x);
  }

  @Override
  protected void doAddCentredProducts(
      Values a, Centre ofA, Values b, Centre ofB, int rows, double[] products) {
    OpenBlas.open();
    Memory aAt = Memory.of(a);
    Memory bAt = Memory.of(b);
    NativeEngine.check(
        Kernels.addCentredProducts(
            isa.code(),
            threads,
            rows,
            ofA.mean().length,
            NativeEngine.type(a.type()),
            aAt.array(),
            aAt.at(),
            ofA.mean(),
            ofA.meanLo(),
            ofB.mean().length,
            NativeEngine.type(b.type()),
            bAt.array(),
            bAt.at(),
            ofB.mean(),
            ofB.meanLo(),
            products),
        a,
        b);
  }

  @Override
  protected void doAddProjectedMoments(
      Values x, int rows, Centre centre, double[] w, double[] squares, double[] products) {
    OpenBlas.open();
    Memory at = Memory.of(x);
    NativeEngine.check(
        Kernels.addProjectedMoments(
            isa.code(),
            threads,
            rows,
            centre.mean().length,
            NativeEngine.type(x.type()),
            at.array(),
            at.at(),
            centre.mean(),
            centre.meanLo(),
            squares.length,
            w,
            squares,
            products),
        x);
  }

  @Override
  protected double[] doProduct(double[] s, double[] w, int d, int units) {
    OpenBlas.open();
    double[] product = new double[d * units];
    NativeEngine.check(Kernels.multiply(isa.code(), threads, d, d, s, units, w, product));
    return product;
  }

  private static int rows(Values w, int units) {
    return units == 0 ? 0 : w.count() / units;
  }
}
