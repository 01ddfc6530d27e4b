// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.offmeter.FailureKind;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.UncheckedIOException;
import okio.BufferedSource;
import org.jspecify.annotations.Nullable;

/** Ollama's reply, read object by object. */
final class OllamaReading implements Reading {
  private final BufferedSource source;
  private final BoundedBody bounded;
  private final OllamaLine line;
  private final Pieces pieces;
  private final ThinkTags tags;
  private int first;
  private @Nullable JsonParser parser;

  OllamaReading(BufferedSource source, BoundedBody bounded, OllamaLine line, Pieces pieces) {
    this.source = source;
    this.bounded = bounded;
    this.line = line;
    this.pieces = pieces;
    this.tags = new ThinkTags(pieces);
  }

  @Override
  public @Nullable Ending next() throws Failure, IOException {
    try {
      return nextObject(parser == null ? begin() : parser);
    } catch (BoundedBody.TooLarge e) {
      throw e.failure();
    } catch (JsonEOFException e) {
      throw cut();
    } catch (StreamConstraintsException e) {
      throw Failure.of(
          FailureKind.TOO_LARGE, "the reply is nested too deeply, or a number too long");
    } catch (JsonProcessingException | CharConversionException e) {
      if (first == '{' && bounded.ended()) {
        throw cut();
      }
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with something that is not JSON");
    }
  }

  private JsonParser begin() throws Failure, IOException {
    first = FirstByte.of(source);
    if (first < 0) {
      throw Failure.of(FailureKind.INCOMPLETE, "HTTP 200 with an empty body");
    }
    if (first == '<') {
      throw FirstByte.page(source);
    }
    JsonParser begun = Json.FACTORY.createParser(bounded);
    parser = begun;
    return begun;
  }

  private @Nullable Ending nextObject(JsonParser parser) throws Failure, IOException {
    JsonToken token = parser.nextToken();
    if (token == null) {
      throw line.isReply()
          ? Failure.of(FailureKind.INCOMPLETE, "the answer ended without its end marker")
          : noReply();
    }
    if (token != JsonToken.START_OBJECT) {
      throw noReply();
    }
    line.read(parser);
    bounded.lineEnds(parser.currentLocation().getByteOffset());
    line.throwIfError();
    if (!line.thinking().isEmpty()) {
      pieces.thinking(line.thinking());
    }
    if (!line.content().isEmpty()) {
      tags.content(line.content());
    }
    line.toolCalls().forEach(pieces::toolCall);
    return line.done() ? ending() : null;
  }

  private Ending ending() throws Failure {
    tags.endAnswer();
    return line.ending();
  }

  private static Failure cut() {
    return Failure.of(FailureKind.ANSWER_CUT, "the answer ends in the middle of a line");
  }

  private static Failure noReply() {
    return Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with JSON that is no chat reply");
  }

  @Override
  public void close() {
    try {
      if (parser != null) {
        parser.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("a parser closes nothing but itself", e);
    }
  }
}
