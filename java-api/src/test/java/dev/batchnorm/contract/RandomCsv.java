package dev.batchnorm.contract;

import dev.batchnorm.DType;
import dev.batchnorm.format.Decimals;
import dev.batchnorm.format.csv.CsvOptions;
import dev.batchnorm.format.csv.CsvOptions.Missing;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * A CSV file of some megabytes with everything that CSV allows, the values in it, and the file that
 * repeats it: its selected cells are columns of numbers beside columns of anything.
 */
public final class RandomCsv {
  private static final String[] PLAIN = {"", "ok", "a b", "5\" pipe", "x;y", "-", "nan", "1e5"};

  private final Random random;
  private final DType type;
  private final Missing missing;
  private final boolean[] isNumber;
  private final String lineEnd;
  private final boolean plain;
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder repeated = new StringBuilder();
  private final List<Double> values = new ArrayList<>();
  private long skipped;

  /**
   * A file.
   *
   * @param plain whether all cells are such that a fast reader need not give up
   */
  public RandomCsv(long seed, int bytes, DType type, Missing missing, boolean plain) {
    this.random = new Random(seed);
    this.type = type;
    this.missing = missing;
    this.plain = plain;
    this.isNumber = new boolean[2 + random.nextInt(5)];
    for (int i = 0; i < isNumber.length; i++) {
      isNumber[i] = i == 0 || random.nextInt(3) > 0;
    }
    lineEnd = random.nextBoolean() ? "\n" : "\r\n";
    List<String> names = new ArrayList<>();
    for (int i = 0; i < isNumber.length; i++) {
      names.add((isNumber[i] ? "n" : "t") + i);
    }
    text.append(String.join(",", names)).append(lineEnd);
    repeated.append(text);
    while (text.length() < bytes) {
      addLine();
    }
  }

  private void addLine() {
    if (!plain && random.nextInt(50) == 0) {
      text.append(random.nextBoolean() ? " \t" : "# a comment, \"not closed").append(lineEnd);
      return;
    }
    StringBuilder row = new StringBuilder();
    List<Double> numbers = new ArrayList<>();
    boolean complete = true;
    for (int i = 0; i < isNumber.length; i++) {
      String cell = isNumber[i] ? number(numbers) : anything();
      boolean empty = isNumber[i] && cell.isBlank();
      complete &= !empty;
      if (i > 0) {
        text.append(',');
        row.append(',');
      }
      text.append(cell);
      boolean stays = !isNumber[i] || (empty && missing == Missing.IGNORE);
      row.append(stays ? cell : Decimals.text(type, numbers.get(numbers.size() - 1)));
    }
    text.append(plain || random.nextInt(20) > 0 ? lineEnd : "\n");
    if (complete || missing != Missing.SKIP) {
      repeated.append(row).append(lineEnd);
      values.addAll(numbers);
    } else {
      skipped++;
    }
  }

  private String number(List<Double> numbers) {
    if (missing != Missing.ERROR && random.nextInt(plain ? 200 : 20) == 0) {
      numbers.add(Double.NaN);
      return random.nextBoolean() ? "" : "  ";
    }
    String number =
        switch (random.nextInt(plain ? 6 : 8)) {
          case 0 -> Integer.toString(random.nextInt(2000) - 1000);
          case 1 -> Double.toString(random.nextGaussian());
          case 2 -> Float.toString((float) random.nextGaussian());
          case 3 -> "+" + random.nextInt(100) + ".";
          case 4 -> "-." + random.nextInt(100000) + "E" + (random.nextInt(14) - 10);
          case 5 -> new BigDecimal(random.nextGaussian()).toPlainString();
          case 6 -> "\"" + random.nextDouble() + "\"";
          default -> random.nextBoolean() ? "NaN" : random.nextBoolean() ? "-inf" : "Infinity";
        };
    numbers.add(Decimals.parse(type, number.replace("\"", "")));
    int blanks = random.nextInt(10);
    return (blanks < 2 ? " " : "") + number + (blanks == 1 ? "\t" : "");
  }

  private String anything() {
    if (plain) {
      return random.nextBoolean() ? "label" : "\"a, \"\"quoted\"\" label\"";
    }
    return switch (random.nextInt(8)) {
      case 0 -> "\"a,b\n\"\"1,2\"\"\n3\"";
      case 1 -> " \"größer\" ";
      case 2 -> "naïve ∑";
      case 3 ->
          random.nextInt(200) == 0 ? '"' + "1,2\n".repeat(random.nextInt(9000)) + '"' : "\"\"";
      default -> PLAIN[random.nextInt(PLAIN.length)];
    };
  }

  /** The file. */
  public byte[] bytes() {
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }

  /** How to read it. */
  public CsvOptions options(CsvOptions defaults) {
    List<String> columns = new ArrayList<>();
    for (int i = 0; i < isNumber.length; i++) {
      if (isNumber[i]) {
        columns.add("n" + i);
      }
    }
    CsvOptions options = defaults.withColumns(String.join(",", columns)).withMissing(missing);
    return plain ? options : options.withComment('#');
  }

  /** The values of the rows that count; NaN for an empty cell. */
  public double[] values() {
    return values.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** The number of rows that do not count. */
  public long skipped() {
    return skipped;
  }

  /** The file that repeats this one with the same values. */
  public String repeated() {
    return repeated.toString();
  }
}
