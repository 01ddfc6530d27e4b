// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A file that is being read, with those that it includes: its name for messages, the variables that
 * it may name, and the keys that were ignored.
 */
final class ConfigFile {
  private static final long MOST_BYTES = 1024 * 1024;

  private final Path path;
  private final String name;
  private final String notePrefix;
  private final Map<String, String> variables;
  private final List<String> notHonoured;

  private ConfigFile(
      Path path, String notePrefix, Map<String, String> variables, List<String> notHonoured) {
    Path last = path.getFileName();
    this.path = path;
    this.name = last == null ? path.toString() : last.toString();
    this.notePrefix = notePrefix;
    this.variables = variables;
    this.notHonoured = notHonoured;
  }

  /** Returns the root of the file. */
  static ConfigNode read(Path path, Map<String, String> environment) {
    return new ConfigFile(path, "", new HashMap<>(environment), new ArrayList<>()).root();
  }

  /** Returns the root of a file in the same directory, with the same variables. */
  ConfigNode include(String other) {
    Path beside = path.resolveSibling(other);
    return new ConfigFile(beside, other + ": ", variables, notHonoured).root();
  }

  private ConfigNode root() {
    return new ConfigNode(this, "", new YamlNode.Item(1, parse(text())));
  }

  private String text() {
    try {
      if (Files.size(path) > MOST_BYTES) {
        throw new IllegalArgumentException(name + " must be of at most 1 MiB, was larger");
      }
      String text = Files.readString(path);
      return text.startsWith("\ufeff") ? text.substring(1) : text;
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(name + " must be UTF-8, was not", e);
    } catch (IOException e) {
      throw new IllegalArgumentException(
          name + " must be a file that can be read, was '" + path + "'", e);
    }
  }

  private YamlNode parse(String text) {
    try {
      return YamlReader.read(name, text);
    } catch (NoClassDefFoundError e) {
      throw new IllegalStateException(
          "org.yaml:snakeyaml must be on the class path to read "
              + name
              + ", was not; add that dependency, version 2.5 or later",
          e);
    }
  }

  String name() {
    return name;
  }

  @Nullable String variable(String variable) {
    return variables.get(variable);
  }

  /** Sets a variable, which wins over one of the process's, as in LiteLLM. */
  void define(String variable, String value) {
    variables.put(variable, value);
  }

  void noteIgnored(String note) {
    notHonoured.add(notePrefix + note);
  }

  /** Returns the paths of the keys that are not supported, some with the reason. */
  List<String> notHonoured() {
    return notHonoured;
  }
}
