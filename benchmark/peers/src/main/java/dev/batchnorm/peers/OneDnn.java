package dev.batchnorm.peers;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SCALE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SHIFT;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_MEAN;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCALE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SHIFT;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_VARIANCE;

import dev.batchnorm.DType;
import dev.batchnorm.Values;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.batch_normalization_backward;
import org.bytedeco.dnnl.batch_normalization_forward;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl.normalization_flags;
import org.bytedeco.dnnl.global.dnnl.prop_kind;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.memory.data_type;
import org.bytedeco.dnnl.memory.desc;
import org.bytedeco.dnnl.memory.format_tag;
import org.bytedeco.dnnl.primitive;
import org.bytedeco.dnnl.primitive_desc;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;

/** oneDNN's batch normalization primitives; threads are OpenMP's (OMP_NUM_THREADS). */
final class OneDnn implements Candidate {
  private static final float EPS = (float) Workload.EPS;

  /** A way to describe x: sizes and the name of their order. */
  private record Form(String name, format_tag tag, long... sizes) {}

  private final String name;
  private final PointerScope scope = new PointerScope();
  private final Workload work;
  private final engine cpu = new engine(engine.kind.cpu, 0);
  private final stream queue = new stream(cpu);
  private final desc ofChannels;
  private final desc ofData;
  private final String note;
  private final primitive computation;
  private final IntMemoryMap arguments;
  private final Map<String, Values> outputs = new LinkedHashMap<>();

  /** oneDNN knows memory by address only, so somebody else must keep it. */
  private final List<Values> memory = new ArrayList<>();

  private OneDnn(Workload work, Pass pass, Form form) {
    this.work = work;
    name = "oneDNN " + form.name();
    long[] channels = {work.view().channels()};
    ofChannels = new desc(channels, data_type.f32, format_tag.a);
    data_type type = work.type() == DType.F16 ? data_type.f16 : data_type.f32;
    ofData = new desc(form.sizes(), type, form.tag());

    boolean given = pass == Pass.INFERENCE;
    Values mean = given ? work.perChannel(work.mean()) : perChannel();
    Values variance = given ? work.perChannel(work.variance()) : perChannel();
    Map<Integer, Values> forward = new LinkedHashMap<>();
    forward.put(DNNL_ARG_SRC, work.x().values());
    forward.put(DNNL_ARG_DST, work.result().values());
    forward.put(DNNL_ARG_MEAN, mean);
    forward.put(DNNL_ARG_VARIANCE, variance);
    forward.put(DNNL_ARG_SCALE, work.perChannel(work.gamma()));
    forward.put(DNNL_ARG_SHIFT, work.perChannel(work.beta()));

    int affine = normalization_flags.use_scale.value | normalization_flags.use_shift.value;
    batch_normalization_forward.primitive_desc ofForward =
        new batch_normalization_forward.primitive_desc(
            cpu,
            (given ? prop_kind.forward_inference : prop_kind.forward_training).value,
            ofData,
            ofData,
            EPS,
            affine | (given ? normalization_flags.use_global_stats.value : 0));
    primitive normalisation = new batch_normalization_forward(ofForward);
    IntMemoryMap ofNormalisation = arguments(forward);
    if (pass != Pass.BACKWARD) {
      outputs.put("y", work.result().values());
      if (!given) {
        outputs.put("mean", mean);
        outputs.put("variance", variance);
      }
      note = chosen(ofForward);
      computation = normalisation;
      arguments = ofNormalisation;
      return;
    }
    execute(normalisation, ofNormalisation); // for the statistics

    Map<Integer, Values> backward = new LinkedHashMap<>(forward);
    backward.remove(DNNL_ARG_DST);
    backward.remove(DNNL_ARG_SHIFT);
    backward.put(DNNL_ARG_DIFF_DST, work.dy().values());
    backward.put(DNNL_ARG_DIFF_SRC, work.result().values());
    outputs.put("dx", work.result().values());
    Values dgamma = perChannel();
    Values dbeta = perChannel();
    outputs.put("dgamma", dgamma);
    outputs.put("dbeta", dbeta);
    backward.put(DNNL_ARG_DIFF_SCALE, dgamma);
    backward.put(DNNL_ARG_DIFF_SHIFT, dbeta);
    batch_normalization_backward.primitive_desc ofBackward =
        new batch_normalization_backward.primitive_desc(
            cpu, prop_kind.backward.value, ofData, ofData, ofData, EPS, affine, ofForward);
    note = chosen(ofBackward);
    computation = new batch_normalization_backward(ofBackward);
    arguments = arguments(backward);
  }

  /**
   * Every way to give oneDNN the workload.
   *
   * @param refused told why there is none
   */
  static List<Candidate> candidates(Workload work, Pass pass, Consumer<String> refused) {
    List<Candidate> candidates = new ArrayList<>();
    if (work.type() == DType.F64) {
      refused.accept("oneDNN has no f64 batch normalization");
      return candidates;
    }
    try {
      for (Form form : forms(work)) {
        candidates.add(new OneDnn(work, pass, form));
      }
    } catch (RuntimeException e) { // what JavaCPP makes of dnnl::error
      refused.accept(String.valueOf(e.getMessage()));
    }
    return candidates;
  }

  private static List<Form> forms(Workload work) {
    long[] n = work.x().shape().sizes();
    return switch (work.layout()) {
      case NC ->
          List.of(new Form("nc", format_tag.nc, n), new Form("nwc", format_tag.nwc, 1, n[1], n[0]));
      case NCHW -> List.of(new Form("nchw", format_tag.nchw, n));
      case NHWC -> List.of(new Form("nhwc", format_tag.nhwc, n[0], n[3], n[1], n[2]));
      default -> throw new IllegalArgumentException("layout: expected NC, NCHW or NHWC");
    };
  }

  private Values perChannel() {
    return work.perChannel(new double[work.view().channels()]);
  }

  private IntMemoryMap arguments(Map<Integer, Values> values) {
    memory.addAll(values.values());
    IntMemoryMap map = new IntMemoryMap();
    values.forEach(
        (argument, array) -> {
          desc form = array.count() == work.view().count() ? ofData : ofChannels;
          map.put(argument, new memory(form, cpu, new Pointer(array.buffer())));
        });
    return map;
  }

  private void execute(primitive what, IntMemoryMap with) {
    what.execute(queue, with);
    queue._wait();
  }

  private static String chosen(primitive_desc description) {
    return description.impl_info_str().getString();
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public String note() {
    return note;
  }

  @Override
  public void run() {
    execute(computation, arguments);
  }

  @Override
  public Values output() {
    return work.result().values();
  }

  @Override
  public Map<String, Values> outputs() {
    return outputs;
  }

  @Override
  public void close() {
    scope.close();
  }
}
