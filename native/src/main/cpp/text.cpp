// The text of numbers, many at once: what dev.batchnorm.format.Decimals does one by one, and with the same result.
#include <math.h>
#include <string.h>

#include <charconv>

#include "batchnorm.h"

#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L

namespace {

// Where a record is cut.
struct Dialect {
  char delimiter;

  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != delimiter; }

  const char* skip_blanks(const char* at, const char* end) const {
    while (at < end && is_blank(*at)) at++;
    return at;
  }
};

bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

// Reads a finite number and returns its end; null if there is none.
template <class T> const char* read(const char* from, const char* end, double* value) {
  T rounded = 0;
  std::from_chars_result result = std::from_chars(from, end, rounded);
  *value = rounded;
  return result.ec == std::errc() && isfinite(rounded) ? result.ptr : nullptr;
}

// Reads a cell that is a finite decimal, with blanks around it. Returns where it stops: not at the cell's end if it is
// anything else; or null.
const char* read_cell(const Dialect& dialect, int type, const char* at, const char* end, double* value) {
  at = dialect.skip_blanks(at, end);
  const char* digits = at + (at < end && (*at == '-' || *at == '+'));
  if (digits == end || !(is_digit(*digits) || *digits == '.')) return nullptr;  // from_chars knows infinity and NaN
  if (*at == '+') at++;                                                          // but no plus
  at = type == BN_F32 ? read<float>(at, end, value) : read<double>(at, end, value);
  return at == nullptr ? nullptr : dialect.skip_blanks(at, end);
}

// Skips a cell of ASCII on one line, quoted or not. Returns its end; null if it is anything else.
const char* skip_cell(const Dialect& dialect, const char* at, const char* end) {
  at = dialect.skip_blanks(at, end);
  if (at < end && *at == '"') {
    for (at++;; at++) {
      if (at == end || *at == '\n' || (signed char)*at < 0) return nullptr;
      if (*at != '"') continue;
      if (++at == end) return nullptr;
      if (*at != '"') return dialect.skip_blanks(at, end);
    }
  }
  while (at < end && *at != dialect.delimiter && *at != '\n') {
    if ((signed char)*at < 0) return nullptr;
    at++;
  }
  return at;
}

// Reads a record; null if it is not plain.
const char* read_record(const bn_records& records, const char* at, const char* end, double* values) {
  Dialect dialect = {(char)records.delimiter};
  if (at < end && *at == (char)records.comment) return nullptr;
  int column = 0;
  for (int field = 0; field < records.fields; field++) {
    bool is_number = column < records.columns && records.selected[column] == field;
    at = is_number ? read_cell(dialect, records.type, at, end, values + column) : skip_cell(dialect, at, end);
    column += is_number;
    if (at == nullptr || at == end) return nullptr;
    if (field + 1 < records.fields && *at++ != dialect.delimiter) return nullptr;
  }
  if (*at == '\r' && ++at == end) return nullptr;
  return *at == '\n' ? at + 1 : nullptr;
}

// The digits of a number without its point, and the power of ten of the first.
class Decimal {
 public:
  template <class T> explicit Decimal(T size) {
    const char* end = std::to_chars(text_, text_ + sizeof text_, size, std::chars_format::scientific).ptr;
    const char* at = end - 3;  // e+00 or e+000
    while (*at != 'e') at--;
    digits = text_;
    count = (int)(at - text_);
    if (count > 1) {
      text_[1] = text_[0];
      digits = text_ + 1;
      count--;
    }
    bool negative = *++at == '-';
    for (at++; at < end; at++) exponent = 10 * exponent + (*at - '0');
    if (negative) exponent = -exponent;
  }

  const char* digits;
  int count;
  int exponent = 0;

 private:
  char text_[32];
};

char* put(char* to, const char* from, int count) {
  memcpy(to, from, (size_t)count);
  return to + count;
}

char* put_zeros(char* to, int count) {
  for (; count > 0; count--) *to++ = '0';
  return to;
}

// d.ddd, with a digit at least on both sides of the point.
char* put_plain(const Decimal& decimal, char* to) {
  int whole = decimal.exponent + 1;
  if (whole <= 0) {
    to = put_zeros(put(to, "0.", 2), -whole);
    return put(to, decimal.digits, decimal.count);
  }
  if (decimal.count <= whole) {
    to = put_zeros(put(to, decimal.digits, decimal.count), whole - decimal.count);
    return put(to, ".0", 2);
  }
  to = put(put(to, decimal.digits, whole), ".", 1);
  return put(to, decimal.digits + whole, decimal.count - whole);
}

char* put_scientific(const Decimal& decimal, char* to) {
  *to++ = decimal.digits[0];
  if (decimal.count > 1) to = put(put(to, ".", 1), decimal.digits + 1, decimal.count - 1);
  *to++ = 'e';
  *to++ = decimal.exponent < 0 ? '-' : '+';
  int size = decimal.exponent < 0 ? -decimal.exponent : decimal.exponent;
  if (size >= 100) *to++ = (char)('0' + size / 100);
  *to++ = (char)('0' + size / 10 % 10);
  *to++ = (char)('0' + size % 10);
  return to;
}

// As Python prints it, or numpy a binary32: that decides by the value where an exponent is used, Python by the digits.
template <class T> char* write(T value, char* to) {
  const int first_scientific = 16, lowest_plain = -4;
  if (isnan(value)) return put(to, "nan", 3);
  if (signbit(value)) *to++ = '-';
  T size = fabs(value);
  if (isinf(size)) return put(to, "inf", 3);
  if (size == 0) return put(to, "0.0", 3);
  Decimal decimal(size);
  bool below = sizeof(T) == sizeof(float) && size < 1e-4;
  bool is_plain = decimal.exponent >= lowest_plain + below && decimal.exponent < first_scientific;
  return is_plain ? put_plain(decimal, to) : put_scientific(decimal, to);
}

char* write(int type, const void* values, int64_t i, char* to) {
  return type == BN_F32 ? write(((const float*)values)[i], to) : write(((const double*)values)[i], to);
}

}  // namespace

int32_t bn_text_available(void) { return 1; }

int64_t bn_read_records(bn_records records, const char* text, int64_t size, int64_t starts_before, int64_t most,
                        double* values, int64_t* consumed) {
  int64_t count = 0, at = 0;
  for (; count < most && at < starts_before; count++) {
    const char* end = read_record(records, text + at, text + size, values + count * records.columns);
    if (end == nullptr) break;
    at = end - text;
  }
  *consumed = at;
  return count;
}

void bn_write_numbers(int32_t type, const void* values, int64_t count, char* text, int32_t* ends) {
  char* to = text;
  for (int64_t i = 0; i < count; i++) {
    to = write(type, values, i, to);
    ends[i] = (int32_t)(to - text);
  }
}

int64_t bn_write_rows(int32_t type, const void* values, int64_t count, int64_t first, int64_t columns,
                      int32_t delimiter, int32_t carriage_return, char* text) {
  char* to = text;
  for (int64_t i = 0, column = first; i < count; i++) {
    if (column > 0) *to++ = (char)delimiter;
    to = write(type, values, i, to);
    if (++column < columns) continue;
    if (carriage_return) *to++ = '\r';
    *to++ = '\n';
    column = 0;
  }
  return to - text;
}

#else  // a library without them

int32_t bn_text_available(void) { return 0; }

int64_t bn_read_records(bn_records, const char*, int64_t, int64_t, int64_t, double*, int64_t* consumed) {
  return *consumed = 0;
}

void bn_write_numbers(int32_t, const void*, int64_t, char*, int32_t*) {}

int64_t bn_write_rows(int32_t, const void*, int64_t, int64_t, int64_t, int32_t, int32_t, char*) { return 0; }

#endif
