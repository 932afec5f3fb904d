package dev.batchnorm.format.npy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import dev.batchnorm.format.AtomicOutput;
import java.io.ByteArrayOutputStream;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class NpySinkTest {

  @Test
  void writesTheFileNumpyWrites() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (NpySink sink = NpySink.create(AtomicOutput.standardOutput(bytes), DType.F32, 2, 3)) {
      for (int part = 0; part < 2; part++) {
        Values room = sink.room(3);
        for (int i = 0; i < 3; i++) {
          room.set(i, 3 * part + i + 1);
        }
        sink.commit();
      }
      sink.finish();
    }
    String numpy =
        "934e554d5059010076007b276465736372273a20273c6634272c2027666f727472616e5f6f7264657227"
            + "3a2046616c73652c20277368617065273a2028322c2033292c207d"
            + "20".repeat(58)
            + "0a0000803f0000004000004040000080400000a0400000c040";
    assertEquals(numpy, HexFormat.of().formatHex(bytes.toByteArray()));
  }

  @Test
  void arraysWithoutValuesAreHeadersOnly() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (NpySink sink = NpySink.create(AtomicOutput.standardOutput(bytes), DType.F64, 0, 3)) {
      sink.finish();
    }
    assertEquals(128, bytes.size());
  }

  @Test
  void anIncompleteArrayIsNotFinished() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (NpySink sink = NpySink.create(AtomicOutput.standardOutput(bytes), DType.F64, 2)) {
      sink.room(1).set(0, 1);
      sink.commit();
      var thrown = assertThrows(IllegalStateException.class, sink::finish);
      assertEquals("sink: expected all values of shape 2, found 1 to go", thrown.getMessage());
    }
  }
}
