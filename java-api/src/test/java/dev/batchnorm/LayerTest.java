package dev.batchnorm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class LayerTest {

  @Test
  void readsTheSizesOfWeightsAsPyTorchWritesThem() {
    Shape linear = Layer.linear().weights(7, 5);
    assertEquals(new View(1, 7, 5), linear.view());
    assertEquals(7, Layer.linear().outputChannels(linear));
    assertEquals(5, Layer.linear().inputChannels(linear));

    Shape conv = Layer.conv(2).weights(6, 4, 3, 2);
    assertEquals(new View(1, 6, 24), conv.view());
    assertEquals(6, Layer.conv(2).outputChannels(conv));
    assertEquals(8, Layer.conv(2).inputChannels(conv));

    Shape transposed = Layer.convTranspose(2).weights(6, 4, 3, 2);
    assertEquals(new View(6, 4, 6), transposed.view());
    assertEquals(8, Layer.convTranspose(2).outputChannels(transposed));
    assertEquals(6, Layer.convTranspose(2).inputChannels(transposed));
  }

  @Test
  void saysWhatComesOut() {
    Shape linear = Layer.linear().weights(7, 5);
    assertEquals(Shape.of(Layout.NC, 3, 7), Layer.linear().output(linear, 3, 5));
    Shape conv = Layer.conv(2).weights(6, 4, 3, 2);
    assertEquals(Shape.of(Layout.NCHW, 1, 6, 1, 4), Layer.conv(2).output(conv, 1, 8, 3, 5));
    Shape transposed = Layer.convTranspose(2).weights(6, 4, 3, 2);
    assertEquals(
        Shape.of(Layout.NCHW, 1, 8, 5, 6), Layer.convTranspose(2).output(transposed, 1, 6, 3, 5));
  }

  @Test
  void refusesWhatIsNoLayer() {
    refused("groups: expected a number ≥ 1, found 0", () -> Layer.conv(0));
    refused("groups: expected 1 (linear), found 2", () -> new Layer(Layer.Kind.LINEAR, 2));
    refused(
        "weights: expected 2 axes (linear: out × in), found 8×3×3×3",
        () -> Layer.linear().weights(8, 3, 3, 3));
    refused(
        "weights: expected 3 to 5 axes (conv, 2 groups: out × in/groups × kernel), found 8×3",
        () -> Layer.conv(2).weights(8, 3));
    refused(
        "weights: expected 3 to 5 axes (conv-transpose: in × out/groups × kernel), found 1×1×1×1×1×1",
        () -> Layer.convTranspose().weights(1, 1, 1, 1, 1, 1));
    refused(
        "weights: expected output channels that 3 groups divide, found 8 (shape 8×3×3)",
        () -> Layer.conv(3).weights(8, 3, 3));
    refused(
        "weights: expected input channels that 3 groups divide, found 8 (shape 8×3×3)",
        () -> Layer.convTranspose(3).weights(8, 3, 3));
    refused(
        "weights: expected fewer than 2^31 channels, found 2147483647 groups of 2 (shape 0×2×3)",
        () -> Layer.convTranspose(Integer.MAX_VALUE).weights(0, 2, 3));
  }

  @Test
  void refusesAnInputOfOtherSizes() {
    Shape conv = Layer.conv(2).weights(6, 4, 3, 2);
    refused(
        "shape: expected N×8×H×W (input of weights 6×4×3×2, conv, 2 groups), found 1×4×3×5",
        () -> Layer.conv(2).output(conv, 1, 4, 3, 5));
    refused(
        "shape: expected a size of at least 3 on axis 2 (input of weights 6×4×3×2, conv, 2 groups), found"
            + " 1×8×2×5",
        () -> Layer.conv(2).output(conv, 1, 8, 2, 5));
    Shape linear = Layer.linear().weights(7, 5);
    refused(
        "shape: expected N×5 (input of weights 7×5, linear), found 3×5×1",
        () -> Layer.linear().output(linear, 3, 5, 1));
  }

  private static void refused(String message, Runnable call) {
    IllegalArgumentException refusal = assertThrows(IllegalArgumentException.class, call::run);
    assertEquals(message, refusal.getMessage());
  }
}
