// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An image is one of four types, as its bytes show, and nobody sees its content in a log. */
class ImageTest {
  private static final String PNG = "\u0089PNG\r\n\u001a\n";

  @TempDir Path folder;

  private static byte[] bytes(String latin1) {
    return latin1.getBytes(StandardCharsets.ISO_8859_1);
  }

  private static Image png(String content) {
    return Image.of(bytes(PNG + content), "image/png");
  }

  private Path file(String name, byte[] content) throws IOException {
    return Files.write(folder.resolve(name), content);
  }

  @ParameterizedTest
  @CsvSource({
    "\u0089PNG\\r\\n\u001a\\n canary, image/png",
    "\u00ff\u00d8\u00ff\u00e0 canary, image/jpeg",
    "RIFF1234WEBPVP8 canary, image/webp",
    "GIF89a canary, image/gif",
    "GIF87a canary, image/gif",
  })
  void theFirstBytesShowTheType(String content, String type) throws IOException {
    byte[] bytes = bytes(content.translateEscapes());

    Image read = Image.file(file("image.bin", bytes));

    assertThat(read.mediaType()).isEqualTo(type);
    assertThat(read.length()).isEqualTo(bytes.length);
    assertThat(read.inputStream()).hasBinaryContent(bytes);
    assertThat(read).isEqualTo(Image.of(bytes, type)).hasSameHashCodeAs(Image.of(bytes, type));
    assertThat(read.toString()).isEqualTo("Image[" + type + ", " + bytes.length + " bytes]");
  }

  @Test
  void bytesOfAnotherTypeAreRejected() {
    assertThatThrownBy(() -> Image.of(bytes(PNG), "image/jpeg"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image must begin as image/jpeg does, was image/png");
    assertThatThrownBy(() -> Image.of(bytes("<html>canary"), "image/png"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image must begin as image/png does, was something else");
    assertThatThrownBy(() -> Image.of(new byte[0], "image/png"))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> Image.of(bytes("RIFF1234WAVE"), "image/webp"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void onlyTheFourTypesAreAccepted() {
    assertThatThrownBy(() -> Image.of(bytes("BM"), "image/bmp"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "mediaType must be one of image/png, image/jpeg, image/webp, image/gif, was"
                + " 'image/bmp'");
  }

  @Test
  void anImageHasAtMostTwentyMegabytes() throws IOException {
    byte[] most = new byte[Image.MOST_BYTES];
    System.arraycopy(bytes(PNG), 0, most, 0, PNG.length());
    assertThat(Image.of(most, "image/png").length()).isEqualTo(20_000_000);

    byte[] more = new byte[Image.MOST_BYTES + 1];
    System.arraycopy(bytes(PNG), 0, more, 0, PNG.length());
    assertThatThrownBy(() -> Image.of(more, "image/png"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image must have at most 20000000 bytes, has 20000001");

    Path sparse = folder.resolve("large.png");
    try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
      file.setLength(20_000_001);
    }
    assertThatThrownBy(() -> Image.file(sparse))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image '" + sparse + "' must have at most 20000000 bytes, has 20000001");
  }

  @Test
  void aFileThatIsNoImageOrNotThereIsRejected() throws IOException {
    Path text = file("image.png", bytes("canary"));
    assertThatThrownBy(() -> Image.file(text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image must be a PNG, JPEG, WebP or GIF, was something else: '" + text + "'");

    Path missing = folder.resolve("missing.png");
    assertThatThrownBy(() -> Image.file(missing))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("image must be a file that can be read, was '" + missing + "'")
        .hasCauseInstanceOf(IOException.class);
  }

  @Test
  void whatBecomesOfTheArrayDoesNotChangeTheImage() {
    byte[] bytes = bytes(PNG + "a");
    Image image = Image.of(bytes, "image/png");
    bytes[8] = 'b';

    assertThat(image).isEqualTo(png("a")).isNotEqualTo(png("b"));
  }

  @Test
  void aMessageWithImagesSaysHowManyAndNoMore() {
    Message message = Message.user("canary", png("canary"), png("more"));

    assertThat(message.images()).containsExactly(png("canary"), png("more"));
    assertThat(message.toString()).isEqualTo("Message[USER, 6 chars, 2 images]");
    assertThat(Message.user("canary").toString()).isEqualTo("Message[USER, 6 chars]");
    assertThatThrownBy(() -> Message.user(" ", png("a")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aRequestWithAnImageRequiresVision() {
    ChatRequest request = ChatRequest.builder().user("What is this?", png("a")).build();

    assertThat(request.requires()).containsExactly(Capability.VISION);
    assertThat(request.toBuilder().user("And now?").build().requires())
        .containsExactly(Capability.VISION);
    assertThat(ChatRequest.builder().user("Hi").build().requires()).isEmpty();
    assertThat(request.toString()).contains("requires [VISION]");
  }

  @Test
  void theSameTextWithAnotherImageIsAnotherRequest() {
    LoopGuard guard = new LoopGuard(1);

    assertThat(guard.count(of(png("a")))).isEmpty();
    assertThat(guard.count(of(png("b")))).isEmpty();
    assertThat(guard.count(of(png("a"), png("b")))).isEmpty();
    assertThat(guard.count(of())).isEmpty();
    assertThat(guard.count(of(png("a")))).isPresent();
  }

  private static ChatRequest of(Image... images) {
    return ChatRequest.builder().user("What is this?", images).session("s").build();
  }
}
