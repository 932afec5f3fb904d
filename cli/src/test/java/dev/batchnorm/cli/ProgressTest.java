package dev.batchnorm.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class ProgressTest {
  @Test
  void theLineSaysHowMuchAndHowFast() {
    assertEquals(
        "540.0 MB read (45 %), 270.0 MB a second", Progress.text(540_000_000, 0, 1_200_000_000, 2));
    assertEquals(
        "1.8 GB read, 600.0 MB written, 240.0 MB a second",
        Progress.text(1_800_000_000, 600_000_000, 1_200_000_000, 10));
  }

  @Test
  void aShortRunShowsNothing() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (Progress progress = new Progress(new PrintStream(out, true, StandardCharsets.UTF_8))) {
      progress.add(1000);
      progress.aside(() -> {});
    }
    assertEquals("", out.toString(StandardCharsets.UTF_8));
  }
}
