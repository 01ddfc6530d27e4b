// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * An image in a user's message, see {@link Message#user(String, Image...)}: a PNG, JPEG, WebP or
 * GIF of at most 20 MB. Immutable, so safe for use by many threads.
 *
 * <p>An image is always its bytes, never a URL: a server would fetch that from somewhere, which
 * tells others about the conversation, and {@link ChatRequest.Builder#selfHostedOnly} could not
 * hold it back.
 *
 * <p>Servers have limits of their own, which are not checked here: of pixels, of bytes, of images a
 * request. One that refuses an image is a failed attempt, and the next endpoint is asked.
 *
 * <p>{@link #toString()} gives the type and the length, never the content.
 */
public final class Image {
  /** The most bytes of an image. */
  static final int MOST_BYTES = 20_000_000;

  private static final List<String> TYPES =
      List.of("image/png", "image/jpeg", "image/webp", "image/gif");

  private final byte[] bytes;
  private final String mediaType;

  private Image(byte[] bytes, String mediaType) {
    this.bytes = bytes;
    this.mediaType = mediaType;
  }

  /**
   * Returns an image.
   *
   * @param bytes the whole file, 20,000,000 bytes at most; copied
   * @param mediaType {@code image/png}, {@code image/jpeg}, {@code image/webp} or {@code
   *     image/gif}, as the bytes begin: servers reject an image of another type than they are told
   * @throws IllegalArgumentException if there are too many bytes, or they do not begin as an image
   *     of this type does
   */
  public static Image of(byte[] bytes, String mediaType) {
    Objects.requireNonNull(bytes, "bytes");
    Objects.requireNonNull(mediaType, "mediaType");
    requireLength("image", bytes.length);
    if (!TYPES.contains(mediaType)) {
      throw new IllegalArgumentException(
          "mediaType must be one of "
              + String.join(", ", TYPES)
              + ", was '"
              + ValueMistakes.shown(mediaType)
              + "'");
    }
    String found = typeOf(bytes);
    if (!found.equals(mediaType)) {
      throw new IllegalArgumentException(
          "image must begin as " + mediaType + " does, was " + named(found));
    }
    return new Image(bytes.clone(), mediaType);
  }

  /**
   * Reads an image, whose type is found in its first bytes, whatever the name of the file.
   *
   * @throws IllegalArgumentException if the file cannot be read, is too long, or is no PNG, JPEG,
   *     WebP or GIF
   */
  public static Image file(Path file) {
    Objects.requireNonNull(file, "file");
    byte[] bytes = read(file);
    String found = typeOf(bytes);
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "image must be a PNG, JPEG, WebP or GIF, was " + named(found) + ": '" + file + "'");
    }
    return new Image(bytes, found);
  }

  private static byte[] read(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      requireLength("image '" + file + "'", Files.size(file));
      byte[] bytes = in.readNBytes(MOST_BYTES + 1);
      // A file may have grown since.
      requireLength("image '" + file + "'", bytes.length);
      return bytes;
    } catch (IOException e) {
      throw new IllegalArgumentException(
          "image must be a file that can be read, was '" + file + "'", e);
    }
  }

  private static void requireLength(String what, long length) {
    if (length > MOST_BYTES) {
      throw new IllegalArgumentException(
          what + " must have at most " + MOST_BYTES + " bytes, has " + length);
    }
  }

  /** Returns the type that the first bytes show; empty if it is none of the four. */
  private static String typeOf(byte[] bytes) {
    if (hasAt(bytes, 0, "\u0089PNG\r\n\u001a\n")) {
      return "image/png";
    }
    if (hasAt(bytes, 0, "\u00ff\u00d8\u00ff")) {
      return "image/jpeg";
    }
    if (hasAt(bytes, 0, "RIFF") && hasAt(bytes, 8, "WEBP")) {
      return "image/webp";
    }
    return hasAt(bytes, 0, "GIF87a") || hasAt(bytes, 0, "GIF89a") ? "image/gif" : "";
  }

  private static boolean hasAt(byte[] bytes, int position, String mark) {
    byte[] wanted = mark.getBytes(StandardCharsets.ISO_8859_1);
    int end = position + wanted.length;
    return bytes.length >= end && Arrays.equals(bytes, position, end, wanted, 0, wanted.length);
  }

  private static String named(String type) {
    return type.isEmpty() ? "something else" : type;
  }

  /** Returns {@code image/png}, {@code image/jpeg}, {@code image/webp} or {@code image/gif}. */
  public String mediaType() {
    return mediaType;
  }

  /** Returns how many bytes the image has. */
  public int length() {
    return bytes.length;
  }

  /** Returns a new stream of the bytes, which never fails and need not be closed. */
  public InputStream inputStream() {
    return new ByteArrayInputStream(bytes);
  }

  /** Returns whether the other is an image of the same type and bytes. */
  @Override
  public boolean equals(Object other) {
    return other instanceof Image image
        && mediaType.equals(image.mediaType)
        && Arrays.equals(bytes, image.bytes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(bytes);
  }

  @Override
  public String toString() {
    return "Image[" + mediaType + ", " + bytes.length + " bytes]";
  }
}
