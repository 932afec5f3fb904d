package dev.batchnorm.format.csv;

import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.NumberType;
import dev.batchnorm.format.Numerals;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** The text of an array's values, made of many at once where there is a fast way. */
final class CsvNumbers {
  private static final int AT_ONCE = 1 << 10;

  private final @Nullable Numerals numerals;
  private final NumberType type;
  private final byte[] text;
  private final int[] ends;
  private ByteBuffer values = ByteBuffer.allocateDirect(0);
  private boolean fast;
  private int first;
  private int count;

  CsvNumbers(@Nullable Numerals numerals, NumberType type) {
    boolean known = type == NumberType.F32 || type == NumberType.F64;
    this.numerals = known && ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN ? numerals : null;
    this.type = type;
    this.text = new byte[Decimals.LONGEST * AT_ONCE];
    this.ends = new int[AT_ONCE];
  }

  /**
   * From now on means other values.
   *
   * @param values numbers of the type, in little-endian order from 0 to the limit
   */
  void use(ByteBuffer values) {
    this.values = values.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    fast = numerals != null && values.isDirect();
    count = 0;
  }

  /**
   * Puts them all, as rows with nothing between them but delimiters and line ends.
   *
   * @param column that of the first
   * @return whether that was done
   */
  boolean putRows(int column, CsvLayout layout, CsvBytes into) {
    Numerals writer = numerals;
    if (!fast || writer == null) {
      return false;
    }
    Numerals.Rows rows =
        new Numerals.Rows(
            column, layout.fields(), layout.delimiter(), layout.lineEnd().length == 2);
    int most = Math.multiplyExact(Decimals.LONGEST + 3, values.limit() / type.bytes());
    into.putFirst(
        most, bytes -> writer.writeRows(type.floating(), values.position(0), rows, bytes));
    return true;
  }

  /** Puts the text of the value at an index. */
  void put(int index, CsvBytes into) {
    if (!fast || numerals == null) {
      putOne(index * type.bytes(), into);
      return;
    }
    if (index < first || index >= first + count) {
      first = index;
      count = Math.min(AT_ONCE, values.limit() / type.bytes() - index);
      numerals.write(type.floating(), values.position(index * type.bytes()), text, ends);
    }
    int at = index - first;
    into.put(text, at == 0 ? 0 : ends[at - 1], ends[at]);
  }

  private void putOne(int offset, CsvBytes into) {
    if (type.isFloating()) {
      int end = Decimals.put(type.floating(), type.get(values, offset), text, 0);
      into.put(text, 0, end);
    } else {
      into.put(type.text(values, offset).getBytes(StandardCharsets.US_ASCII));
    }
  }
}
