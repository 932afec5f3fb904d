// Products of a vector or a symmetric matrix with units, PANEL of them side by side, as sums of two binary64 numbers
// (Ogita, Rump and Oishi, Accurate sum and dot product, 2005): what each product and each addition rounds off is added
// up beside it. With n summands of sizes that add up to A, no more than 2·n·(n + 1)·u²·A is lost.

struct PanelSum {
  Doubles hi[PANEL / LANES], lo[PANEL / LANES], size[PANEL / LANES];

  void clear() {
    for (int v = 0; v < PANEL / LANES; v++) hi[v] = lo[v] = size[v] = Doubles{};
  }

  // Adds a·b.
  void add(int v, Doubles a, Doubles b) {
    Doubles product = a * b, rounded_off;
    hi[v] = two_sum(hi[v], product, &rounded_off);
    lo[v] += rounded_off + fused(a, b, -product);
    size[v] += absolute(product);
  }
};

static inline void add_row(int64_t count, const double* s, const double* panel, PanelSum& sum) {
  for (int64_t j = 0; j < count; j++) {
    Doubles factor = broadcast(s[j]);
    for (int v = 0; v < PANEL / LANES; v++) sum.add(v, factor, load(panel + j * PANEL + v * LANES));
  }
}

// Rounds the sums; `lost` is how much of the size they may be off by.
static void round_panel(const PanelSum& sum, double lost, double* to, int64_t* undecided) {
  double hi[PANEL], lo[PANEL], size[PANEL];
  memcpy(hi, sum.hi, sizeof hi);
  memcpy(lo, sum.lo, sizeof lo);
  memcpy(size, sum.size, sizeof size);
  for (int k = 0; k < PANEL; k++) {
    HiLo whole = plus_exactly(hi[k], lo[k]);
    Decision rounded = decision<double>(whole.hi, whole.lo, lost * size[k]);
    to[k] = rounded.value;
    undecided[k] = rounded.undecided;
  }
}

// RN(vᵀw) of each unit of a panel (R5).
static void projections(int64_t count, const double* v, const double* panel, double* to, int64_t* undecided) {
  PanelSum sum;
  sum.clear();
  add_row(count, v, panel, sum);
  double n = (double)count + 1;
  round_panel(sum, 0x1p-106 * 4 * n * n, to, undecided);
}

// RN(wᵀSw) of each unit of a panel (R3).
static void quadratic_forms(int64_t count, const double* s, const double* panel, double* to, int64_t* undecided) {
  PanelSum form;
  form.clear();
  for (int64_t i = 0; i < count; i++) {
    PanelSum sum;
    sum.clear();
    add_row(count, s + i * count, panel, sum);
    for (int v = 0; v < PANEL / LANES; v++) {
      Doubles w = load(panel + i * PANEL + v * LANES), product = w * sum.hi[v], rounded_off;
      form.hi[v] = two_sum(form.hi[v], product, &rounded_off);
      form.lo[v] += (rounded_off + fused(w, sum.hi[v], -product)) + w * sum.lo[v];
      form.size[v] += absolute(w) * sum.size[v];
    }
  }
  double n = (double)count + 1;
  round_panel(form, 0x1p-106 * 16 * n * n, to, undecided);
}
