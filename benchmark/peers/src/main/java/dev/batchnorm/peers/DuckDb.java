package dev.batchnorm.peers;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Normalises the columns of a CSV without header, as {@code batchnorm forward} does: {@code DuckDb
 * x.csv y.csv COLUMNS THREADS}.
 */
public final class DuckDb {
  private DuckDb() {}

  /** The program. */
  public static void main(String[] arguments) throws SQLException {
    String from = arguments[0];
    String to = arguments[1];
    int columns = Integer.parseInt(arguments[2]);
    int threads = Integer.parseInt(arguments[3]);
    String normalised = each(columns, "(\"%2$s\" - m%1$d) / sqrt(v%1$d + 1e-5) AS y%1$d");
    String statistics = each(columns, "avg(\"%2$s\") AS m%1$d, var_pop(\"%2$s\") AS v%1$d");
    try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
        Statement statement = connection.createStatement()) {
      statement.execute("SET threads = " + threads);
      statement.execute(
          "CREATE TEMP TABLE x AS SELECT * FROM read_csv('" + from + "', header = false)");
      statement.execute(
          "COPY (SELECT "
              + normalised
              + " FROM x, (SELECT "
              + statistics
              + " FROM x)) TO '"
              + to
              + "' (HEADER false)");
    }
  }

  /** DuckDB calls the columns column0 or column00, with as many digits as the last needs. */
  private static String each(int columns, String format) {
    int digits = Integer.toString(columns - 1).length();
    return IntStream.range(0, columns)
        .mapToObj(i -> String.format(format, i, "column" + String.format("%0" + digits + "d", i)))
        .collect(Collectors.joining(", "));
  }
}
