// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Counts how often each session sends the same conversation. No prompt is kept: a conversation is
 * known by 64 bits of a hash, whose key is drawn for each client and never leaves it. Safe for use
 * by many threads.
 */
final class LoopGuard {
  static final int DEFAULT = 10;

  /** The most sessions that are known; the least recently used is forgotten. */
  static final int SESSIONS = 10_000;

  private static final String HASH = "HmacSHA256";

  private final int limit;
  private final SecretKeySpec key;
  private final ReentrantLock lock = new ReentrantLock();

  /** The sessions, the least recently used first; guarded by the lock. */
  private final Map<String, RecentConversations> sessions = new LinkedHashMap<>(16, 0.75f, true);

  LoopGuard(int limit) {
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    this.limit = limit;
    this.key = new SecretKeySpec(secret, HASH);
  }

  static int checked(int limit) {
    if (limit < 1) {
      throw new IllegalArgumentException("maxRepeatsPerSession must be at least 1, was " + limit);
    }
    return limit;
  }

  /** Counts a request, and returns the exception of one that must not be sent. */
  Optional<LoopDetectedException> count(ChatRequest request) {
    return request.session().flatMap(session -> count(session, hash(request)));
  }

  private Optional<LoopDetectedException> count(String session, long conversation) {
    int count;
    lock.lock();
    try {
      count = sessions.computeIfAbsent(session, s -> new RecentConversations()).add(conversation);
      if (sessions.size() > SESSIONS) {
        sessions.remove(sessions.keySet().iterator().next());
      }
    } finally {
      lock.unlock();
    }
    return count > limit
        ? Optional.of(new LoopDetectedException(session, count, limit))
        : Optional.empty();
  }

  private long hash(ChatRequest request) {
    try {
      Mac mac = Mac.getInstance(HASH);
      mac.init(key);
      for (Message message : request.messages()) {
        update(mac, message.role().name());
        mac.update((byte) message.toolCalls().size());
        update(mac, message.content());
        for (Image image : message.images()) {
          update(mac, image);
        }
        for (ChatResponse.ToolCall call : message.toolCalls()) {
          update(mac, call.name());
          update(mac, call.arguments());
        }
      }
      return ByteBuffer.wrap(mac.doFinal()).getLong();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK must have " + HASH, e);
    }
  }

  /** Adds a text with its length, so that no two lists of texts are alike. */
  private static void update(Mac mac, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    mac.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
    mac.update(bytes);
  }

  private static void update(Mac mac, Image image) {
    // Of its own length, so that no text is taken for an image.
    mac.update(ByteBuffer.allocate(Integer.BYTES).putInt(-image.length()).array());
    byte[] chunk = new byte[8192];
    try (InputStream bytes = image.inputStream()) {
      for (int read = bytes.read(chunk); read > 0; read = bytes.read(chunk)) {
        mac.update(chunk, 0, read);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("bytes in memory do not fail", e);
    }
  }

  /** The last conversations of one session with their counts, the latest first. */
  static final class RecentConversations {
    /** The most that are known: more than an agent goes round before it comes back. */
    static final int MOST = 100;

    private long[] hashes = new long[4];
    private int[] counts = new int[4];
    private int size;

    /** Counts one, and returns how often it has come. */
    int add(long hash) {
      int at = indexOf(hash);
      int count = hashes[at] == hash ? counts[at] : 0;
      System.arraycopy(hashes, 0, hashes, 1, at);
      System.arraycopy(counts, 0, counts, 1, at);
      hashes[0] = hash;
      counts[0] = count == Integer.MAX_VALUE ? count : count + 1;
      return counts[0];
    }

    /** Returns the place of a conversation, or else of the one that makes room for it. */
    private int indexOf(long hash) {
      for (int at = 0; at < size; at++) {
        if (hashes[at] == hash) {
          return at;
        }
      }
      if (size == MOST) {
        return MOST - 1;
      }
      if (size == hashes.length) {
        hashes = Arrays.copyOf(hashes, Math.min(MOST, 2 * size));
        counts = Arrays.copyOf(counts, hashes.length);
      }
      return size++;
    }
  }
}
