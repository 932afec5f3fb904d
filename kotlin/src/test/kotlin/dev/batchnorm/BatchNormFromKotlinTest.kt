package dev.batchnorm

import dev.batchnorm.audit.Audit
import dev.batchnorm.audit.Cause
import dev.batchnorm.audit.Output
import dev.batchnorm.engine.Engines
import dev.batchnorm.format.AtomicOutput
import dev.batchnorm.format.Axes
import dev.batchnorm.format.FileFormat
import dev.batchnorm.format.InputBytes
import dev.batchnorm.format.NumberType
import dev.batchnorm.format.StateFile
import dev.batchnorm.format.StoredArray
import dev.batchnorm.format.csv.CsvOptions
import dev.batchnorm.format.csv.CsvTable
import dev.batchnorm.format.npy.NpyArray
import dev.batchnorm.format.npy.NpySink
import dev.batchnorm.format.npy.NpySource
import dev.batchnorm.format.npz.NpzFile
import dev.batchnorm.format.npz.NpzWriter
import dev.batchnorm.golden.GoldenCase
import dev.batchnorm.golden.GoldenTree
import dev.batchnorm.golden.GoldenVerdict
import dev.batchnorm.verify.ArrayDifference
import dev.batchnorm.verify.BatchNormAssertions.assertMatchesGolden
import dev.batchnorm.verify.BatchNormAssertions.assertSameBits
import dev.batchnorm.verify.BatchNormAssertions.assertWithinUlps
import dev.batchnorm.verify.EngineComparison
import dev.batchnorm.verify.ExactCase
import dev.batchnorm.verify.FoldDifference
import dev.batchnorm.verify.ReparameterizationDifference
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.DoubleBuffer
import java.nio.FloatBuffer
import java.nio.file.Files
import java.nio.file.Path
import java.util.OptionalDouble
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

/** The public API as Kotlin sees it. That it compiles without a warning or a `!!` is half of the test. */
class BatchNormFromKotlinTest {
    private val x = Batch.of(Shape.of(Layout.NC, 3, 2), 1f, 2f, 3f, 5f, 8f, 13f)
    private val dy = Batch.of(Shape.of(Layout.NC, 3, 2), 1f, 0f, 0f, -1f, 2f, 1f)

    @Test
    fun `twelve lines from data to gradients`() {
        val shape = Shape.of(Layout.NC, 3, 2)
        val x = Batch.of(shape, 1f, 2f, 3f, 5f, 8f, 13f)
        val dy = Batch.of(shape, 1f, 0f, 0f, -1f, 2f, 1f)
        val norm = BatchNorm.builder().apply {
            gamma(1.5, 0.5)
            beta(0.0, 1.0)
        }.build()

        val forward = norm.forward(x)
        val gradients = norm.backward(dy, x, forward.statistics)

        assertArrayEquals(doubleArrayOf(4.0, 20.0 / 3), forward.statistics.mean)
        assertArrayEquals(floatArrayOf(3f, 0f), gradients.dbeta.toFloats())
        assertEquals(2, gradients.dgamma.count())
        assertEquals(x.shape, forward.y.shape)
        assertEquals(x.shape, gradients.dx.shape)
    }

    @Test
    fun `settings read back`() {
        val affine = Affine.IDENTITY.withGamma(2.0).withBeta(1.0, 2.0)
        val engine = Engines.named("java", 1)
        val norm = BatchNorm.builder().apply {
            affine(affine)
            convention(Convention.KERAS)
            momentum(Convention.KERAS.momentum().withNumber(0.5))
            engine(engine)
            outputType(DType.F64)
        }.build()

        assertSame(engine, norm.engine())
        assertSame(affine, norm.affine())
        assertEquals(1e-3, norm.eps())
        assertEquals(0.0, BatchNorm.builder().eps(0.0).build().eps())
        assertEquals(DType.F64, norm.forward(x).y.type())
        assertArrayEquals(doubleArrayOf(2.0, 2.0), affine.gamma(2))
        assertArrayEquals(doubleArrayOf(1.0, 2.0), affine.beta(2))
    }

    @Test
    fun `chunks merge to the statistics of the whole`() {
        val norm = BatchNorm.builder().build()
        val top = Batch.of(Shape.of(Layout.NC, 1, 2), 1f, 2f)
        val rest = Batch.of(Shape.of(Layout.NC, 2, 2), 3f, 5f, 8f, 13f)

        val sums = ExactSums.statistics(2, DType.F32)
        for (chunk in listOf(rest, top)) {
            sums.merge(norm.sums(chunk))
        }
        val statistics = norm.statistics(sums)
        val y = listOf(top, rest).flatMap { norm.normalise(it, statistics).values.toFloats().asList() }

        assertEquals(norm.sums(x), sums)
        assertEquals(norm.forward(x).y.values.toFloats().asList(), y)
        assertArrayEquals(longArrayOf(3, 3), statistics.count)
        assertEquals(statistics.sums, sums)
        assertTrue(sums.isFinite(0) && sums.linearIsFinite(0) && !sums.isConstant(0))
        assertEquals(12.toBigInteger().shiftLeft(-sums.linear().lowest()), sums.linearSum(0))
        assertEquals(74.toBigInteger().shiftLeft(-sums.product().lowest()), sums.productSum(0))
    }

    @Test
    fun `sources and sinks`() {
        val norm = BatchNorm.builder().gamma(2.0).build()
        val y = Collected()
        val dx = Collected()

        val statistics = x.use { norm.forward(it, y) }
        val parameters = norm.backward(dy, x, statistics, dx)

        val batch = norm.forward(x)
        assertEquals(batch.y.values.toDoubles().asList(), y.values)
        assertArrayEquals(batch.statistics.inverseStd, norm.statistics(x).inverseStd)
        val gradients = norm.backward(dy, x)
        assertEquals(gradients.dx.values.toDoubles().asList(), dx.values)
        assertArrayEquals(gradients.dgamma.toDoubles(), parameters.dgamma)
        assertArrayEquals(gradients.dbeta.toDoubles(), parameters.dbeta)
        assertEquals(DType.F32, parameters.type)
    }

    @Test
    fun `memory of the caller`() {
        val norm = BatchNorm.builder().build()
        val y = Batch.zeros(x.shape, DType.F64)
        val dx = Batch(x.shape, Values.allocateDirect(DType.F32, 6))

        val statistics = norm.forward(x, y)
        val parameters = norm.backward(dy, x, statistics, dx)

        val gradients = norm.backward(dy, x)
        assertArrayEquals(norm.forward(x).y.values.toFloats(), FloatArray(6) { y.values[it].toFloat() })
        assertArrayEquals(gradients.dx.values.toFloats(), dx.values.toFloats())
        assertArrayEquals(gradients.dgamma.toDoubles(), parameters.dgamma)
        norm.infer(x, statistics, dx)
        assertArrayEquals(norm.forward(x).y.values.toFloats(), dx.values.toFloats())
    }

    @Test
    fun `given statistics`() {
        val norm = BatchNorm.builder().eps(0.0).build()
        val given = norm.given(doubleArrayOf(1.0, 1.0), doubleArrayOf(4.0, 1.0))

        val y = norm.infer(x, given)
        val frozen = norm.backward(dy, x, given)

        assertTrue(given.given())
        assertNull(given.sums)
        assertEquals(listOf(0f, 1f, 1f, 4f, 3.5f, 12f), y.values.toFloats().asList())
        assertEquals(listOf(0.5f, 0f, 0f, -1f, 1f, 1f), frozen.dx.values.toFloats().asList())
        assertEquals(emptyList<String>(), given.warnings(norm.affine()))
        assertArrayEquals(doubleArrayOf(0.5, 1.0), given.scale(norm.affine()))
    }

    @Test
    fun `batch norm becomes part of the layer before it`() {
        val norm = BatchNorm.builder().eps(0.0).gamma(2.0).beta(1.0).build()
        val running = norm.given(doubleArrayOf(1.0, 1.0), doubleArrayOf(4.0, 1.0))
        val layer = Layer.linear()
        val weights = Batch.of(Shape.of(Layout.NC, 2, 3), 1f, 2f, 3f, 4f, 5f, 6f)
        val bias = Values.of(*floatArrayOf(1f, 3f))

        val folded = norm.fold(layer, weights, bias, running)
        val room = Collected()
        norm.foldWeights(layer, weights, running, room)

        assertEquals(listOf(1f, 2f, 3f, 8f, 10f, 12f), folded.weights.values.toFloats().asList())
        assertEquals(folded.weights.values.toDoubles().asList(), room.values)
        assertEquals(listOf(1f, 5f), folded.bias.toFloats().asList())
        assertEquals(listOf(0.0, -1.0), norm.fold(layer, weights, running).bias.toDoubles().asList())
        assertEquals(listOf(1.0, 5.0), norm.foldBias(bias, running, DType.F64).toDoubles().asList())

        val inputs = Batch.of(Shape.of(Layout.NC, 1, 3), 1f, -1f, 2f)
        val normalisation = Normalisation.of(running, norm.affine())
        val difference = FoldDifference.measure(layer, weights, bias, normalisation, folded, inputs)
        assertTrue(difference.passed())
        assertEquals(0, difference.exceeding)
        assertEquals("1×2", difference.shape.toString())
        val largest = difference.largest
        assertEquals(6.0, largest?.normalised)
        assertEquals(6.0, largest?.folded)
        assertEquals(0.0, difference.closest?.share())
        assertTrue(largest != null && largest.isWithin && largest.difference() <= largest.bound && largest.index == 0L)
    }

    @Test
    fun `layers and their sizes`() {
        val layer = Layer.convTranspose(2)
        val weights = layer.weights(6, 4, 3)
        assertEquals(Layer.Kind.CONV_TRANSPOSE, layer.kind)
        assertEquals("conv-transpose", layer.kind.label())
        assertEquals(2, layer.groups)
        assertEquals(8, layer.outputChannels(weights))
        assertEquals(6, layer.inputChannels(weights))
        assertEquals("1×8×9", layer.output(weights, 1, 6, 7).toString())
        assertEquals("conv, 2 groups", Layer.conv(2).toString())
        assertEquals(Layer(Layer.Kind.CONV, 1), Layer.conv())
        assertEquals(1, Layer.convTranspose().groups)
        assertThrows(IllegalArgumentException::class.java) { Layer.conv(3).weights(4, 3, 2) }
    }

    @Test
    fun `running statistics of every convention`() {
        for (convention in Convention.entries) {
            val norm = BatchNorm.builder().convention(convention).build()
            val running = norm.update(RunningStatistics.initial(2), norm.forward(x).statistics)

            val take = convention.momentum().take(1)
            val keep = convention.momentum().keep(1)
            val m = if (convention.biasedRunningVariance()) 3.0 else 2.0
            assertEquals(take * 4.0, running.mean[0], convention.label())
            assertEquals(keep + take * (26.0 / m), running.variance[0], 1e-12, convention.label())
            assertEquals(1, running.batches)
        }
        val average = BatchNorm.builder().momentum(Momentum.cumulative()).build()
        assertEquals(4.0, average.update(RunningStatistics.initial(2), average.statistics(x)).mean[0])
        assertEquals(0.25, Momentum.ofNew(0.25).take(7))
        assertEquals(0.25, Momentum.ofOld(0.25).keep(7))
    }

    @Test
    fun `shapes and values`() {
        val image = Shape.of(Layout.NCHW, 8, 64, 7, 7)
        assertEquals("8×64×7×7", image.toString())
        assertEquals(image, Shape.withChannelAxis(-3, 8, 64, 7, 7))
        assertEquals(View(8, 64, 49), image.view())
        assertEquals(392, image.view().valuesPerChannel())
        assertEquals(25_088, image.count())
        assertEquals(8, image.view().blocks(64L * 49).size)

        val values = Values.allocateDirect(DType.F64, 2)
        values.set(1, 0.5)
        assertEquals(0.5, values.slice(1, 1).get(0))
        assertEquals(2, Values.of(FloatBuffer.allocate(2)).count())
        assertEquals(2, Values.of(DoubleBuffer.allocate(2)).count())
        assertEquals(2, Values.of(DType.F32, ByteBuffer.allocateDirect(8).order(ByteOrder.nativeOrder())).count())
        assertEquals(6, Batch.zeros(x.shape, DType.F32).values.count())
        assertThrows(IllegalStateException::class.java) { values.toFloats() }
    }

    @Test
    fun `exceptions say what to do`() {
        val norm = BatchNorm.builder().build()
        val problem: BatchNormException = assertThrows(InputException::class.java) {
            norm.given(doubleArrayOf(0.0), doubleArrayOf(-1.0))
        }
        val hint: String? = problem.hint()
        assertTrue(problem.message.orEmpty().isNotEmpty())
        assertTrue(hint == null || hint.isNotEmpty())
        assertThrows(EngineUnavailableException::class.java) { Engines.named("abacus", 1) }
        assertThrows(IllegalArgumentException::class.java) { BatchNorm.builder().gamma(1.0, 2.0, 3.0).build().forward(x) }
        assertThrows(OutputException::class.java) { AtomicOutput.to(Path.of("/no/such/folder/y.npy")).close() }
    }

    @Test
    fun `engines agree`() {
        val reference = Engines.named("java", 1)
        val given = reference.givenParameters(doubleArrayOf(1.0), doubleArrayOf(4.0), 0.0)
        val normalisation = Normalisation.of(given, Affine.IDENTITY)
        assertEquals(0.5, normalisation.a[0])
        for (provider in Engines.providers()) {
            val engine = try {
                provider.create(2)
            } catch (unavailable: EngineUnavailableException) {
                assertTrue(unavailable.message.orEmpty().isNotEmpty())
                continue
            }
            assertTrue(engine.threads() in 1..2)
            assertEquals(1, engine.singleThreaded().threads())
            val comparison = EngineComparison(reference, engine, Affine.IDENTITY, 1e-5)
            for (array in comparison.training(x, dy, DType.F32)) {
                assertEquals(0, array.differing(), "${provider.name()}: ${array.name()}")
            }
        }
    }

    @Test
    fun `a table becomes an array file`(@TempDir folder: Path) {
        val table = folder.resolve("x.csv")
        Files.writeString(table, "a,b,label\n1,2,one\n3,5,two\n8,13,three\n")
        val target = folder.resolve("y.npy")
        val norm = BatchNorm.builder().build()

        val options = CsvOptions.of(FileFormat.CSV).withExclude("label")
        CsvTable.read(InputBytes.open(table), options, DType.F32).use { rows ->
            rows.source().use { x ->
                NpySink.create(AtomicOutput.to(target), DType.F32, *x.shape().sizes()).use { y ->
                    norm.forward(x, y)
                    y.finish()
                }
            }
        }

        NpySource.open(InputBytes.open(target), Axes.channelAxis(1)).use { y ->
            assertEquals(x.shape, y.shape())
            assertArrayEquals(norm.forward(x).y.values.toFloats(), y.chunk(0, 6).toFloats())
        }
    }

    @Test
    fun `several arrays in one file`(@TempDir folder: Path) {
        val path = folder.resolve("save.npz")
        val statistics = BatchNorm.builder().build().statistics(x)

        NpzWriter(AtomicOutput.to(path)).use { file ->
            file.doubles("mean", statistics.mean, 2)
            file.int64("count", statistics.count[0])
            file.finish()
        }

        NpzFile.open(InputBytes.open(path)).use { file ->
            assertEquals(listOf("mean", "count"), file.members())
            assertArrayEquals(statistics.mean, file.array("mean").values())
            assertArrayEquals(doubleArrayOf(3.0), file.array("count").values())
        }
        assertFalse(Files.list(folder).use { files -> files.anyMatch { it != path } })
    }

    @Test
    fun `mini-batches move the running statistics`() {
        val norm = BatchNorm.builder().build()
        val y = Collected()
        var running = RunningStatistics.initial(2)

        for (first in 0L until 3L step 2L) {
            val part = x.samples(first, minOf(2L, 3L - first))
            val statistics = norm.forward(part, y)
            if (part.shape().count() > 2) {
                running = norm.update(running, statistics)
            }
        }

        assertEquals(6, y.values.size)
        assertEquals(1L, running.batches)
        assertEquals("batch[0:2]", x.samples(0, 2).name())
        assertTrue(x.reader().isEmpty)
        assertTrue(y.area(6).isEmpty)
    }

    @Test
    fun `states of any type merge`(@TempDir folder: Path) {
        val norm = BatchNorm.builder().build()
        val path = folder.resolve("state.npz")
        val half = Batch(Shape.of(Layout.NC, 1, 2), Values.ofBinary16(0x3c00, 0x4000))
        val wide = Batch.of(Shape.of(Layout.NC, 2, 2), 3.0, 5.0, 8.0, 13.0)
        val merged = ExactSums.merged(norm.sums(half), norm.sums(wide))

        NpzWriter(AtomicOutput.to(path)).use { file ->
            StateFile.write(file, merged, norm.statistics(merged))
            file.finish()
        }

        NpzFile.open(InputBytes.open(path)).use { file ->
            assertTrue(StateFile.isState(file))
            val read = StateFile.read(file)
            assertEquals(norm.sums(x), read)
            assertArrayEquals(doubleArrayOf(13.0, 97.0 / 3), norm.unbiasedVariance(read))
        }
    }

    @Test
    fun `arrays of any type are written and compared`(@TempDir folder: Path) {
        val path = folder.resolve("counts.npy")
        val counts = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putShort(7).putShort(-1).flip()

        NpySink.create(AtomicOutput.to(path), NumberType.I16, 2).use { sink ->
            sink.write(counts)
            sink.finish()
        }

        InputBytes.open(path).use { bytes ->
            val array: StoredArray = NpyArray.open(bytes)
            assertEquals(NumberType.I16, array.type())
            assertEquals(DType.F64, array.type().floating())
            assertEquals("-1", array.type().text(array.read(0, 2), 2))
            val difference = ArrayDifference.within(array, array, 0.0, 1e-8, 0)
            assertEquals(0, difference.differing())
            assertEquals(OptionalDouble.of(0.0), difference.least().absolute())
            assertEquals(0.0, difference.quantiles().within(99))
            assertTrue(ArrayDifference.bitwise(array, array, 1).isEqual)
        }
    }

    @Test
    fun `weights after batch norm`() {
        val w = Batch.of(Shape.of(Layout.NC, 2, 1), 1.0, -1.0)
        val norm = Reparameterization.builder().apply {
            gamma(2.0)
            beta(1.0)
            eps(0.0)
            level(Level.EXACT)
            outputType(DType.F64)
            engine(Engines.named("java", 1))
        }.build()
        assertEquals("exact", norm.level().label())
        assertEquals("java", norm.engine().name())
        assertTrue(norm.description().isNotEmpty())

        val sums = norm.sums(x)
        val merged = CrossSums.of(2, DType.F32)
        merged.merge(sums)
        assertEquals(sums, merged)
        assertEquals(3, merged.count())
        val s: Covariance = norm.covariance(merged)
        assertArrayEquals(s.covariance, norm.covariance(x).covariance)
        assertNull(s.bound)
        assertEquals(s.at(0, 1), s.at(1, 0))

        val layer: Reparameterized = norm.weights(w, s)
        assertArrayEquals(layer.weights.values.toDoubles(), norm.weights(w, x).weights.values.toDoubles())
        assertArrayEquals(layer.q, norm.weights(w, Covariance.given(s.mean, s.covariance)).q)
        assertEquals(layer.weightsBound.size, 2)
        assertTrue(layer.road.isNotEmpty() && layer.warnings().isEmpty())
        val direction = norm.weightNorm(w).weights.values.toDoubles()
        assertEquals(2 / Math.sqrt(2.0), direction[0], 1e-15)

        val upstream = Batch.of(Shape.of(Layout.NC, 3, 1), 1.0, 0.0, 2.0)
        val gradients: WeightGradients = norm.gradients(upstream, x, w)
        assertEquals(3.0, gradients.dbeta[0])
        assertTrue(gradients.warnings().isEmpty())
        assertEquals(2, norm.weightNormGradients(upstream, x, w).dweights.values.count())

        val difference = ReparameterizationDifference.measure(w, layer, Affine.IDENTITY.withGamma(2.0).withBeta(1.0), x)
        assertTrue(difference.passed())
        val share: Double? = difference.worst?.share()
        assertTrue(share == null || share <= 1)
    }

    private class Collected : Sink {
        val values = mutableListOf<Double>()
        private var room = Values.of(*doubleArrayOf())

        override fun room(count: Int): Values = Values.allocate(DType.F32, count).also { room = it }

        override fun commit() {
            values += room.toDoubles().asList()
        }
    }

    @Test
    fun `golden cases hold a kernel to the recorded bits`(@TempDir directory: Path) {
        val golden = directory.resolve("small")
        val case = GoldenCase.recorder(x).dy(dy).gamma(1.5, 0.5).record(golden)
        val y = BatchNorm.builder().gamma(1.5, 0.5).build().forward(x).y

        assertMatchesGolden(golden)
        assertMatchesGolden(golden, "y", y)
        assertMatchesGolden(golden, "y", y.values.toFloats())
        assertMatchesGolden(golden, "mean", doubleArrayOf(4.0, 20.0 / 3), 1)
        assertSameBits(y, case.batch("y"))
        assertWithinUlps(floatArrayOf(1f), floatArrayOf(Math.nextUp(1f)), 1)
        assertThrows(AssertionError::class.java) { assertWithinUlps(doubleArrayOf(1.0), doubleArrayOf(2.0), 1) }

        val result = case.check(Engines.named("java", 1))
        assertEquals(GoldenVerdict.PASSED, result.verdict)
        assertEquals(0, result.outputs.sumOf { it.differing() })
        assertEquals(1, case.settings().channelAxis)
        assertNull(case.inputs().first { it.name == "x" }.reference)
        assertEquals(listOf(golden), GoldenTree.cases(listOf(directory)))
        GoldenCase.recorder(x).prepare(golden, true).use { assertTrue(it.replaces()) }
    }

    @Test
    fun `other implementations are judged and explained`() {
        val theirs = BatchNorm.builder().eps(1e-3).gamma(1.5).build()
        val report = Audit.of(x)
            .affine(theirs.affine())
            .convention(Convention.PYTORCH)
            .momentum(Momentum.ofNew(0.1))
            .running(RunningStatistics.initial(2))
            .dy(dy)
            .add(Output.Y, theirs.forward(x).y)
            .add(Output.DBETA, "dbeta.npy", DType.F32, theirs.backward(dy, x).dbeta.toDoubles())
            .run()
        assertFalse(report.passed())
        val y = report.judgements().first { it.output == Output.Y }
        assertEquals(6, y.exceeding())
        assertNull(y.reason())
        assertEquals(setOf(Cause.EPS_1E_3), report.explanations().first().causes())
        assertEquals(listOf("keras", "mxnet", "tensorflow"), report.explanations().first().frameworks())
    }

    @Test
    fun `exact cases`() {
        val exact = ExactCase.of(Shape.of(Layout.NC, 8, 3), DType.F32, 1)
        val norm = BatchNorm.builder().apply {
            gamma(*exact.gamma())
            beta(*exact.beta())
            eps(exact.eps())
        }.build()
        val answers = exact.answers(false).associateBy { it.name }
        assertEquals(ExactCase.Exactness.EXACT, answers["y"]?.exactness)
        assertArrayEquals(answers["y"]?.values?.values?.toFloats(), norm.forward(exact.x()).y.values.toFloats())
        assertArrayEquals(answers["dx"]?.values?.values?.toFloats(), norm.backward(exact.dy(), exact.x()).dx.values.toFloats())
        assertEquals(3, exact.channels().size)
    }
}
