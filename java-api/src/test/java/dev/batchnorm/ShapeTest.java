package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class ShapeTest {
  @Test
  void aPlaceIsWrittenAsPythonWritesATuple() {
    assertEquals("()", place(0));
    assertEquals("(0,)", place(0, 1));
    assertEquals("(41,)", place(41, 42));
    assertEquals("(0, 0)", place(0, 3, 4));
    assertEquals("(1, 3)", place(7, 3, 4));
    assertEquals("(2, 0)", place(8, 3, 4));
    assertEquals("(1, 2, 3, 4)", place(119, 2, 3, 4, 5));
    assertEquals("(4294967295, 2147483647)", place((1L << 63) - 1, 1L << 32, 1L << 31));
  }

  @Test
  void placesCountThroughTheLastAxisFirst() {
    long index = 0;
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 1; j++) {
        for (int k = 0; k < 4; k++) {
          assertEquals("(" + i + ", " + j + ", " + k + ")", place(index++, 3, 1, 4));
        }
      }
    }
  }

  private static String place(long index, long... sizes) {
    return Shape.tuple(Shape.indices(index, sizes));
  }
}
