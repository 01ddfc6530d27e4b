// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
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
  private final AnswerText text;
  private final AnswerText thinking;
  private @Nullable JsonParser parser;

  OllamaReading(BufferedSource source, BoundedBody bounded, OllamaLine line, Pieces pieces) {
    this.source = source;
    this.bounded = bounded;
    this.line = line;
    this.pieces = pieces;
    this.tags = new ThinkTags(pieces);
    this.text = new AnswerText(tags::content, pieces::part, true);
    this.thinking = new AnswerText(pieces::thinking, pieces::part, false);
  }

  @Override
  public @Nullable Ending next() throws Failure, IOException {
    try {
      return nextObject(parser == null ? begin() : parser);
    } catch (Unreadable e) {
      throw e.failure();
    } catch (JsonEOFException e) {
      throw cut();
    } catch (StreamConstraintsException e) {
      throw Failure.of(
          FailureKind.RESPONSE_TOO_LARGE,
          "the reply has too many values, is nested too deeply, or has a number too long");
    } catch (JsonProcessingException | CharConversionException e) {
      if (line.isBegun() && bounded.ended()) {
        throw cut();
      }
      throw Failure.of(FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with something that is not JSON");
    }
  }

  private JsonParser begin() throws Failure, IOException {
    int first = FirstByte.of(source);
    if (first < 0) {
      throw Failure.of(FailureKind.MISSING_END_MARKER, "HTTP 200 with an empty body");
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
      return atEnd();
    }
    if (token != JsonToken.START_OBJECT) {
      if (!ReplyTree.saysNothing(ReplyTree.value(parser, token))) {
        throw noReply();
      }
      return null;
    }
    line.read(parser);
    bounded.lineEnds(parser.currentLocation().getByteOffset());
    line.throwIfError();
    handOn();
    return line.done() ? ending() : null;
  }

  private void handOn() throws Failure {
    if (!line.thinking().isEmpty()) {
      thinking.delta(line.thinking());
    }
    String content = line.content();
    if (!content.isEmpty()) {
      if (line.done()) {
        text.last(content);
      } else {
        text.delta(content);
      }
    }
    if (line.hasCallNotOffered()) {
      pieces.onCallNotOffered();
    }
    for (int i = 0; i < line.parts(); i++) {
      pieces.part();
    }
  }

  /** A reason in the last line is an end marker too, as of servers that imitate Ollama. */
  private Ending atEnd() throws Failure {
    if (line.isReply() && line.hasReason()) {
      return ending();
    }
    throw line.isReply()
        ? Failure.of(FailureKind.MISSING_END_MARKER, "the answer ended without its end marker")
        : noReply();
  }

  private Ending ending() throws Failure {
    Ending ending = line.ending();
    text.end();
    thinking.end();
    tags.endAnswer();
    line.calls().end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }

  private static Failure cut() {
    return Failure.of(FailureKind.TRUNCATED, "the answer ends in the middle of a line");
  }

  private static Failure noReply() {
    return Failure.of(FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is no chat reply");
  }

  @Override
  public long kept() {
    return line.kept() + text.kept() + thinking.kept();
  }

  @Override
  public void close() {
    bounded.release();
    try {
      if (parser != null) {
        parser.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("a parser closes nothing but itself", e);
    }
  }
}
