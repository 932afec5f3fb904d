package dev.batchnorm.cli;

import java.util.ArrayList;
import java.util.List;

/** The fenced blocks of a Markdown text. */
final class Markdown {
  private static final String FENCE = "```";

  private Markdown() {}

  /**
   * A fenced block.
   *
   * @param line the 1-based line of its fence
   * @param tag what stands behind the fence, such as {@code console native}
   */
  record Block(int line, String tag, List<String> lines) {}

  /** All blocks; one that is not closed reaches to the end. */
  static List<Block> blocks(String text) {
    List<Block> blocks = new ArrayList<>();
    List<String> lines = text.lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).startsWith(FENCE)) {
        int end = i + 1;
        while (end < lines.size() && !lines.get(end).startsWith(FENCE)) {
          end++;
        }
        String tag = lines.get(i).substring(FENCE.length()).strip();
        blocks.add(new Block(i + 1, tag, List.copyOf(lines.subList(i + 1, end))));
        i = end;
      }
    }
    return blocks;
  }
}
