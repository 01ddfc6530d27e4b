// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.redis;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;

/** A script that Redis runs as a whole. */
enum RedisScript {
  RESERVE("reserve.lua"),
  SETTLE("settle.lua"),
  RENEW("renew.lua"),
  BALANCE("balance.lua");

  private final String text;
  private final String digest;

  RedisScript(String file) {
    text = read("counts.lua") + read(file);
    try {
      byte[] sha = MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.UTF_8));
      digest = HexFormat.of().formatHex(sha);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String read(String file) {
    try (InputStream stream = RedisScript.class.getResourceAsStream(file)) {
      return new String(
          Objects.requireNonNull(stream, file).readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String text() {
    return text;
  }

  /** The name by which Redis knows a script that it has run before. */
  String digest() {
    return digest;
  }
}
