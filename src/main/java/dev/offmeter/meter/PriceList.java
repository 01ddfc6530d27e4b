// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.internal.json.JsonSelection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A file with the prices of many models, for managed endpoints that have no price of their own. A
 * price is found by the exact name of the model and never by a similar one. A self-hosted endpoint
 * gets none from a list, whatever its model is called. Immutable, so safe for use by many threads.
 */
public final class PriceList {
  /** An entry stands below its provider, the list of its models and its own name. */
  private static final int MODELS_DEV_DEPTH = 4;

  private final Path file;
  private final boolean liteLlm;
  private final boolean modelsDev;

  private PriceList(Path file, boolean liteLlm, boolean modelsDev) {
    this.file = Objects.requireNonNull(file, "file");
    this.liteLlm = liteLlm;
    this.modelsDev = modelsDev;
    if (Files.isDirectory(file) || !Files.isReadable(file)) {
      throw new IllegalArgumentException("prices must be a file that can be read, was " + file);
    }
  }

  /**
   * Returns the list in a file of LiteLLM's format, {@code model_prices_and_context_window.json}:
   * US dollars per token. A model is found under {@code gemini/}, {@code anthropic/} or {@code
   * openai/} and its name, for an endpoint of that type, or else under its name alone.
   *
   * @throws IllegalArgumentException if the file cannot be read
   */
  public static PriceList liteLlm(Path file) {
    return new PriceList(file, true, false);
  }

  /**
   * Returns the list in a file of models.dev's format, {@code api.json}: US dollars per million
   * tokens. A model is found by its name under the provider {@code google}, {@code anthropic} or
   * {@code openai}, for an endpoint of that type.
   *
   * @throws IllegalArgumentException if the file cannot be read
   */
  public static PriceList modelsDev(Path file) {
    return new PriceList(file, false, true);
  }

  /**
   * Returns the list in a file of either format.
   *
   * @throws IllegalArgumentException if the file cannot be read
   */
  public static PriceList of(Path file) {
    return new PriceList(file, true, true);
  }

  /** A model as an endpoint names it: the type of its API, such as {@code gemini}, and its name. */
  public record Model(String type, String name) {}

  /**
   * Returns the prices of those models that are in the list. Reads the file to its end, and keeps
   * nothing of the others.
   *
   * @throws IllegalArgumentException if the file is not JSON to its end, one of the models stands
   *     in it twice, or a price of theirs is not a number of 0 or more; the message has the file
   *     and the model
   */
  public Map<Model, Price> find(Set<Model> models) {
    Set<List<String>> paths = new HashSet<>();
    models.forEach(model -> paths.addAll(paths(model)));
    try {
      Map<List<String>, Map<String, Object>> entries = JsonSelection.read(file, paths);
      Map<Model, Price> prices = new HashMap<>();
      for (Model model : models) {
        for (List<String> path : paths(model)) {
          price(path, entries.getOrDefault(path, Map.of()))
              .ifPresent(known -> prices.putIfAbsent(model, known.source(sourceName())));
        }
      }
      return prices;
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("prices in " + file + " " + e.getMessage(), e);
    }
  }

  private String sourceName() {
    return String.valueOf(file.getFileName());
  }

  /** Returns where a model may stand in the list, the first first. */
  private List<List<String>> paths(Model model) {
    List<List<String>> paths = new ArrayList<>();
    if (liteLlm) {
      paths.add(List.of(model.type() + "/" + model.name()));
      paths.add(List.of(model.name()));
    }
    if (modelsDev) {
      String provider = model.type().equals("gemini") ? "google" : model.type();
      paths.add(List.of(provider, "models", model.name(), "cost"));
    }
    return paths;
  }

  private Optional<Price> price(List<String> path, Map<String, Object> fields) {
    PriceFields price = new PriceFields(fields);
    try {
      return path.size() < MODELS_DEV_DEPTH ? price.liteLlm() : price.modelsDev();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("must have a price in " + path + ": " + e.getMessage(), e);
    }
  }

  /** Returns the file. */
  @Override
  public String toString() {
    return "PriceList[" + file + "]";
  }
}
