// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import org.jspecify.annotations.Nullable;

/**
 * What one kind of server can be asked on the side.
 *
 * @param liveness whether it lives; null if it cannot be asked
 * @param modelLoaded whether the model is in its memory; changes nothing there
 * @param loadModel loads the model, and takes as long as that takes
 * @param unloadModel has the model dropped from memory
 * @param generateToken generates one token, for which a server that has to load the model does so;
 *     asked for where {@code load} is null or refused
 * @param detectOllama whether it is an Ollama, which has a better API than the one that it is asked
 *     by; null where that is known, or cannot be
 */
public record ServerProbes(
    @Nullable ProbeRequest liveness,
    @Nullable ProbeRequest modelLoaded,
    @Nullable ProbeRequest loadModel,
    @Nullable ProbeRequest unloadModel,
    @Nullable ProbeRequest generateToken,
    @Nullable ProbeRequest detectOllama) {
  /** For a server that is not to be asked on the side. */
  public static final ServerProbes NONE = new ServerProbes(null, null, null, null, null, null);
}
