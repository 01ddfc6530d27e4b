// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import org.jspecify.annotations.Nullable;

/**
 * Holds the probes of one kind of server; null for each that it does not have.
 *
 * @param liveness checks that the server lives
 * @param modelLoaded checks that the model is in memory; changes nothing there
 * @param loadModel loads the model, and takes as long as that takes
 * @param unloadModel unloads the model
 * @param generateToken generates one token, for which a server loads the model if need be; used if
 *     {@code loadModel} is null or refused
 * @param modelInfo asks what the model can do and how long its context is; generates nothing
 * @param detectOllama checks for an Ollama, whose own API is better than the one it is asked by;
 *     null where that is known, or cannot be
 */
public record ServerProbes(
    @Nullable ProbeRequest liveness,
    @Nullable ProbeRequest modelLoaded,
    @Nullable ProbeRequest loadModel,
    @Nullable ProbeRequest unloadModel,
    @Nullable ProbeRequest generateToken,
    @Nullable ProbeRequest modelInfo,
    @Nullable ProbeRequest detectOllama) {
  /** No probes, for a server that gets no requests beside calls. */
  public static final ServerProbes NONE =
      new ServerProbes(null, null, null, null, null, null, null);
}
