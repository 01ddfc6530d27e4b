// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A model file in llama.cpp's format GGUF, version 3: a head of named values, a list of tensors,
 * and their numbers as 32-bit floats. A tensor is zero but for the numbers that are set, and zeros
 * are holes in the file, so that a large model is written as fast as a small one.
 *
 * <p>Source: the GGUF specification in the repository of ggml.
 */
final class Gguf {
  private static final int INT = 4;
  private static final int SIGNED_INT = 5;
  private static final int FLOAT = 6;
  private static final int BOOL = 7;
  private static final int STRING = 8;
  private static final int ARRAY = 9;
  private static final int ALIGNMENT = 32;

  private final ByteBuffer values = buffer();
  private final ByteBuffer tensors = buffer();
  private final Map<Long, Float> numbers = new LinkedHashMap<>();
  private int valueCount;
  private int tensorCount;
  private long dataBytes;

  private static ByteBuffer buffer() {
    return ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
  }

  Gguf value(String key, String value) {
    key(key).putInt(STRING);
    string(values, value);
    return this;
  }

  Gguf value(String key, int value) {
    key(key).putInt(INT).putInt(value);
    return this;
  }

  Gguf value(String key, float value) {
    key(key).putInt(FLOAT).putFloat(value);
    return this;
  }

  Gguf value(String key, boolean value) {
    key(key).putInt(BOOL).put((byte) (value ? 1 : 0));
    return this;
  }

  Gguf strings(String key, List<String> elements) {
    key(key).putInt(ARRAY).putInt(STRING).putLong(elements.size());
    elements.forEach(element -> string(values, element));
    return this;
  }

  Gguf ints(String key, List<Integer> elements) {
    key(key).putInt(ARRAY).putInt(SIGNED_INT).putLong(elements.size());
    elements.forEach(values::putInt);
    return this;
  }

  /** A matrix of {@code rows} rows; in a {@code column} of it stand {@code filled}, elsewhere 0. */
  Gguf matrix(String name, int columns, int rows, int column, List<Float> filled) {
    for (int row = 0; row < filled.size(); row++) {
      numbers.put(dataBytes + 4L * (row * (long) columns + column), filled.get(row));
    }
    string(tensors, name);
    tensors.putInt(2).putLong(columns).putLong(rows);
    return tensor(4L * columns * rows);
  }

  /** A matrix of zeros. */
  Gguf matrix(String name, int columns, int rows) {
    return matrix(name, columns, rows, 0, List.of());
  }

  /** A vector of ones. */
  Gguf ones(String name, int length) {
    for (int i = 0; i < length; i++) {
      numbers.put(dataBytes + 4L * i, 1f);
    }
    string(tensors, name);
    tensors.putInt(1).putLong(length);
    return tensor(4L * length);
  }

  private Gguf tensor(long bytes) {
    int floats = 0;
    tensors.putInt(floats).putLong(dataBytes);
    tensorCount++;
    dataBytes = aligned(dataBytes + bytes);
    return this;
  }

  private ByteBuffer key(String key) {
    valueCount++;
    string(values, key);
    return values;
  }

  private static void string(ByteBuffer buffer, String text) {
    byte[] bytes = text.getBytes(UTF_8);
    buffer.putLong(bytes.length).put(bytes);
  }

  private static long aligned(long position) {
    return (position + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  void write(Path file) throws IOException {
    ByteBuffer head = buffer().put("GGUF".getBytes(UTF_8)).putInt(3);
    head.putLong(tensorCount).putLong(valueCount);
    try (RandomAccessFile opened = new RandomAccessFile(file.toFile(), "rw");
        FileChannel out = opened.getChannel()) {
      for (ByteBuffer part : List.of(head, values, tensors)) {
        out.write(part.duplicate().flip());
      }
      long data = aligned(out.position());
      opened.setLength(data + dataBytes);
      for (Map.Entry<Long, Float> number : numbers.entrySet()) {
        ByteBuffer bytes = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
        out.write(bytes.putFloat(number.getValue()).flip(), data + number.getKey());
      }
    }
  }
}
