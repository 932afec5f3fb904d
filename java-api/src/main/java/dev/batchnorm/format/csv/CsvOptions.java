package dev.batchnorm.format.csv;

import dev.batchnorm.format.FileFormat;
import dev.batchnorm.format.Numerals;
import org.jspecify.annotations.Nullable;

/**
 * How a CSV file is to be read.
 *
 * @param delimiter what separates cells, or {@link #AUTO} for the first of {@code ,}, {@code ;} and
 *     tab that splits the first record
 * @param comment lines that begin with it are skipped; {@link #NONE} for no such lines
 * @param header whether the first record names the columns
 * @param columns the columns to select as in {@code a,b,3-5}, empty for all
 * @param exclude the columns to leave out of those, empty for none
 * @param missing what an empty cell means
 * @param threads the threads that read and write, at least 1
 * @param memory the bytes of values that are held in memory; what is more waits in a temporary file
 * @param numerals a fast way to read and write numbers, with the same result; null for none
 */
public record CsvOptions(
    char delimiter,
    char comment,
    Header header,
    String columns,
    String exclude,
    Missing missing,
    int threads,
    long memory,
    @Nullable Numerals numerals) {
  /** Stands for a delimiter that the first record tells. */
  public static final char AUTO = 0;

  /** Stands for no comment character. */
  public static final char NONE = 0;

  /** Whether the first record is a header. */
  public enum Header {
    /** It is if none of its selected non-empty cells is a number. */
    AUTO,
    /** It is. */
    YES,
    /** It is data. */
    NO
  }

  /** What an empty cell means. */
  public enum Missing {
    /** It is refused. */
    ERROR,
    /** It is NaN. */
    NAN,
    /** Its row is dropped. */
    SKIP,
    /** It is absent: statistics leave it out, and it stays empty where it is written to CSV. */
    IGNORE
  }

  /**
   * Checks the characters.
   *
   * @throws IllegalArgumentException if the delimiter or the comment character could be part of a
   *     number or of quoting, or both are the same
   */
  public CsvOptions {
    if (delimiter != AUTO
        && (delimiter > 126
            || Character.isLetterOrDigit(delimiter)
            || "+-.\"\r\n".indexOf(delimiter) >= 0
            || (delimiter < ' ' && delimiter != '\t'))) {
      throw new IllegalArgumentException(
          "delimiter: expected one ASCII character that no number contains, found '"
              + delimiter
              + "'");
    }
    if (threads < 1) {
      throw new IllegalArgumentException("threads: expected at least 1, found " + threads);
    }
    if (memory < 0) {
      throw new IllegalArgumentException("memory: expected at least 0 bytes, found " + memory);
    }
    if (comment != NONE && (comment > 126 || comment <= ' ' || comment == '"')) {
      throw new IllegalArgumentException(
          "comment: expected one visible ASCII character, found '" + comment + "'");
    }
    if (comment != NONE && comment == delimiter) {
      throw new IllegalArgumentException(
          "comment: expected another character than the delimiter, found '" + comment + "'");
    }
  }

  /**
   * The defaults: comma, or tab for TSV; no comments; all columns; no empty cells; all processors,
   * and a quarter of the memory that Java may use.
   */
  public static CsvOptions of(FileFormat format) {
    return new CsvOptions(
        format == FileFormat.TSV ? '\t' : ',',
        NONE,
        Header.AUTO,
        "",
        "",
        Missing.ERROR,
        Runtime.getRuntime().availableProcessors(),
        Runtime.getRuntime().maxMemory() / 4,
        null);
  }

  /** These options with another delimiter. */
  public CsvOptions withDelimiter(char delimiter) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with a comment character. */
  public CsvOptions withComment(char comment) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with another meaning of the first record. */
  public CsvOptions withHeader(Header header) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with other columns to select. */
  public CsvOptions withColumns(String columns) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with other columns to leave out. */
  public CsvOptions withExclude(String exclude) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with another meaning of empty cells. */
  public CsvOptions withMissing(Missing missing) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with other threads. */
  public CsvOptions withThreads(int threads) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /** These options with another limit of memory. */
  public CsvOptions withMemory(long memory) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }

  /**
   * These options with a fast way to read and write numbers, such as an engine's; null for none.
   */
  public CsvOptions withNumerals(@Nullable Numerals numerals) {
    return new CsvOptions(
        delimiter, comment, header, columns, exclude, missing, threads, memory, numerals);
  }
}
