package dev.batchnorm.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * What the processors had to do up to now, in Linux's ticks: times are worth what the machine was
 * left alone.
 *
 * @param all everything, idling too
 * @param busy everything but idling, and what a host took away
 * @param own this process
 */
record Processors(long all, long busy, long own) {

  static Processors now() {
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; guests are in user
    long[] ticks = numbers("/proc/stat", "cpu ", 0, 8);
    long all = Arrays.stream(ticks).sum();
    long[] own = numbers("/proc/self/stat", ") ", 11, 2); // utime, stime
    return new Processors(all, all - ticks[3] - ticks[4], own[0] + own[1]);
  }

  /** The share of the processors' time that others had since then, in percent. */
  double othersSince(Processors then) {
    return 100.0 * ((busy - then.busy) - (own - then.own)) / Math.max(1, all - then.all);
  }

  /** Numbers of a file's first line, so many of them after some words after a mark. */
  private static long[] numbers(String file, String mark, int skip, int count) {
    try (Stream<String> lines = Files.lines(Path.of(file))) {
      String line = lines.findFirst().orElseThrow();
      String[] words = line.substring(line.lastIndexOf(mark) + mark.length()).strip().split(" +");
      return Arrays.stream(words).skip(skip).limit(count).mapToLong(Long::parseLong).toArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
