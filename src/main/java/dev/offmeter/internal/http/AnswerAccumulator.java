// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.StreamEnd;
import java.util.ArrayList;
import java.util.List;

/** Collects the deltas of one answer and checks the whole. */
final class AnswerAccumulator implements DeltaHandler, PartialAnswer {
  /** A model's name goes into logs and metrics; a longer one is not used. */
  private static final int LONGEST_MODEL = 200;

  /** Each withdrawal makes a stream show all its thinking again, so that they are bounded. */
  private static final int MOST_WITHDRAWALS = 8;

  private final SurrogateSafeText text = new SurrogateSafeText();
  private final SurrogateSafeText thinking = new SurrogateSafeText();
  private final List<ToolCall> toolCalls = new ArrayList<>(0);
  private final ExchangeListener listener;
  private final OutputTokenLimit outputLimit;
  private final boolean repetitionAllowed;
  private final RepetitionDetector textRepetition = new RepetitionDetector();
  private final RepetitionDetector thinkingRepetition = new RepetitionDetector();
  private long toolCallLength;
  private int withdrawals;
  private boolean textEnded;
  private boolean callNotOffered;
  private volatile Usage usage = Usage.NONE;

  AnswerAccumulator(ExchangeListener listener, ChatRequest request) {
    this.listener = listener;
    this.outputLimit = new OutputTokenLimit(request.maxTokens());
    this.repetitionAllowed = request.allowRepetition();
  }

  @Override
  public void onText(String delta) {
    listener.onDelta();
    outputLimit.onDelta(delta.length());
    text.append(delta);
    search(textRepetition, delta);
  }

  @Override
  public void onThinking(String delta) {
    listener.onDelta();
    outputLimit.onThinking(delta.length());
    thinking.append(delta);
    search(thinkingRepetition, delta);
  }

  private void search(RepetitionDetector repetition, String delta) {
    if (!repetitionAllowed) {
      repetition.add(delta);
    }
  }

  @Override
  public void onPart() {
    listener.onDelta();
    outputLimit.onToolCallPart();
  }

  @Override
  public void onToolCall(ToolCall call) {
    listener.onDelta();
    toolCalls.add(call);
    toolCallLength += call.arguments().length();
  }

  @Override
  public void onCallNotOffered() {
    callNotOffered = true;
  }

  @Override
  public void onUsage(Usage soFar) {
    usage = soFar;
  }

  /** Returns the counts that the server has told so far, as not reported: the answer goes on. */
  Usage usage() {
    return usage.asNotReported();
  }

  @Override
  public void onTextEnded() {
    textEnded = true;
    listener.onTextEnded();
  }

  @Override
  public void onTextWasThinking() {
    thinking.append(text);
    text.clear();
    textRepetition.clear();
    outputLimit.onTextWasThinking();
    withdrawals++;
  }

  @Override
  public CharSequence text() {
    return text;
  }

  @Override
  public CharSequence thinking() {
    return thinking;
  }

  @Override
  public int withdrawals() {
    return withdrawals;
  }

  /**
   * Checks an answer whose text has not ended.
   *
   * @throws AttemptException if the server has gone far beyond the request's limit
   */
  void checkLimit() throws AttemptException {
    if (!textEnded) {
      outputLimit.check();
    }
  }

  @Override
  public boolean isRepeating() {
    return textRepetition.passage() > 0 || thinkingRepetition.passage() > 0;
  }

  /**
   * Checks an answer, whether it has ended or not.
   *
   * @throws AttemptException if it repeats itself; the endpoint is not to blame, because the same
   *     model may answer the next request well
   */
  void checkRepetition() throws AttemptException {
    checkRepetition("the text", textRepetition);
    checkRepetition("the thinking", thinkingRepetition);
  }

  private static void checkRepetition(String what, RepetitionDetector repetition)
      throws AttemptException {
    if (repetition.passage() > 0) {
      String told =
          what
              + " repeats itself: the same "
              + repetition.passage()
              + " characters came "
              + RepetitionDetector.TIMES
              + " times in a row, after "
              + repetition.characters()
              + " characters in all";
      throw AttemptException.of(FailureKind.RUNAWAY, told).withStatus(200).asBlameless();
    }
  }

  /**
   * Checks an answer that has not ended.
   *
   * @throws AttemptException if it has withdrawn its text too often
   */
  void checkWithdrawals() throws AttemptException {
    if (withdrawals > MOST_WITHDRAWALS) {
      throw AttemptException.of(
          FailureKind.MISSING_END_MARKER,
          "the <think> tags do not match: which text is the answer is ambiguous");
    }
  }

  /** Returns all that the model has written so far, for the search for quotations of it. */
  List<CharSequence> writtenTexts() {
    List<CharSequence> said = new ArrayList<>(List.of(text, thinking));
    toolCalls.forEach(call -> said.add(call.arguments()));
    return said;
  }

  /** Returns the length of the answer so far, in characters. */
  long length() {
    return toolCallLength + text.length() + thinking.length();
  }

  boolean isEmpty() {
    return text.isEmpty() && thinking.isEmpty() && toolCalls.isEmpty();
  }

  ExchangeResult answer(ChatRequest request, StreamEnd streamEnd, int status)
      throws AttemptException {
    checkRepetition();
    text.finish();
    thinking.finish();
    String whole = text.toString();
    boolean cut = streamEnd.finishReason() == FinishReason.LENGTH;
    if (toolCalls.isEmpty() && VisibleText.isBlank(whole)) {
      throw EmptyAnswerClassifier.of(
          request, streamEnd, !VisibleText.isBlank(thinking), callNotOffered);
    }
    int tokens = streamEnd.usage().outputTokens();
    if (cut && !streamEnd.atOwnLimit() && tokens > 0 && tokens < request.maxTokens()) {
      throw AttemptException.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the context was full after " + tokens + " of " + request.maxTokens() + " tokens");
    }
    return new ExchangeResult(
        whole,
        thinking.toString(),
        printableModel(streamEnd.model()),
        streamEnd.usage(),
        toolCalls.isEmpty() || cut ? streamEnd.finishReason() : FinishReason.TOOL_CALLS,
        List.copyOf(toolCalls),
        status);
  }

  /** Returns the name that a server gives its model; empty if it is not fit for a log line. */
  private static String printableModel(String model) {
    if (model.length() > LONGEST_MODEL) {
      return "";
    }
    for (int at = 0; at < model.length(); ) {
      int codePoint = model.codePointAt(at);
      if (codePoint != ' ' && !VisibleText.isVisible(codePoint)) {
        return "";
      }
      at += Character.charCount(codePoint);
    }
    return model;
  }
}
