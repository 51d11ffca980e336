# find_package(KForge) for C++ tools, from the source tree or from an installed
# folder. Gives
#   KForge::plugin   the dialect and the passes, loaded at run time with
#                    mlir::DialectPlugin::load and mlir::PassPlugin::load
#                    ($<TARGET_FILE:KForge::plugin>); never linked
#   KForge::dialect  the include folder of KForgeOps.td
#   KForge::mlir     what a tool that loads the plugin links: the shared MLIR and
#                    LLVM and nothing else, because a second, static copy in the
#                    process has registries of its own and the plugin is not in them
#   KForge_INCLUDE_DIRS
#
# C++ classes of the ops are not offered: ops are worked with by name and through
# interfaces. Classes that mlir-tblgen makes from the .td have other TypeIDs than
# the registered ops, so isa<> on them is always false.
#
# KForge_PLUGIN names a plugin elsewhere, such as in a CARGO_TARGET_DIR.

set(KForge_FOUND FALSE)
set(KForge_PLUGIN "" CACHE FILEPATH "libkforge_plugin, if not where cargo puts it")

get_filename_component(_kforge_root "${CMAKE_CURRENT_LIST_DIR}/.." REALPATH)
if(EXISTS "${_kforge_root}/dialect/KForgeOps.td")
  set(KForge_INCLUDE_DIRS "${_kforge_root}/dialect")
  set(_kforge_release "${_kforge_root}/target/release")
  set(_kforge_debug "${_kforge_root}/target/debug")
else() # installed: <prefix>/lib/cmake/KForge
  get_filename_component(_kforge_root "${CMAKE_CURRENT_LIST_DIR}/../../.." REALPATH)
  set(KForge_INCLUDE_DIRS "${_kforge_root}/include/kforge")
  set(_kforge_release "${_kforge_root}/lib")
  set(_kforge_debug "${_kforge_root}/lib")
endif()

set(_kforge_name "${CMAKE_SHARED_LIBRARY_PREFIX}kforge_plugin${CMAKE_SHARED_LIBRARY_SUFFIX}")
if(KForge_PLUGIN)
  set(_kforge_plugin_RELEASE "${KForge_PLUGIN}")
  set(_kforge_plugin_DEBUG "${KForge_PLUGIN}")
else()
  set(_kforge_plugin_RELEASE "${_kforge_release}/${_kforge_name}")
  set(_kforge_plugin_DEBUG "${_kforge_debug}/${_kforge_name}")
endif()
set(_kforge_configurations "")
foreach(_kforge_configuration RELEASE DEBUG)
  if(EXISTS "${_kforge_plugin_${_kforge_configuration}}")
    list(APPEND _kforge_configurations ${_kforge_configuration})
  endif()
endforeach()
if(NOT _kforge_configurations)
  set(KForge_NOT_FOUND_MESSAGE
      "${_kforge_plugin_RELEASE} does not exist; run `cargo build --release -p kforge-plugin`, or set KForge_PLUGIN")
  return()
endif()

include(CMakeFindDependencyMacro)
find_dependency(MLIR 22.1 CONFIG)
foreach(_kforge_library MLIR LLVM)
  if(NOT TARGET ${_kforge_library})
    set(KForge_NOT_FOUND_MESSAGE
        "${MLIR_DIR} has no shared lib${_kforge_library}, which the plugin needs")
    return()
  endif()
endforeach()

if(NOT TARGET KForge::plugin)
  add_library(KForge::plugin MODULE IMPORTED)
  set_target_properties(KForge::plugin PROPERTIES
    IMPORTED_CONFIGURATIONS "${_kforge_configurations}")
  foreach(_kforge_configuration ${_kforge_configurations})
    set_target_properties(KForge::plugin PROPERTIES
      IMPORTED_LOCATION_${_kforge_configuration} "${_kforge_plugin_${_kforge_configuration}}")
  endforeach()

  add_library(KForge::dialect INTERFACE IMPORTED)
  target_include_directories(KForge::dialect INTERFACE ${KForge_INCLUDE_DIRS})

  separate_arguments(_kforge_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
  add_library(KForge::mlir INTERFACE IMPORTED)
  target_include_directories(KForge::mlir INTERFACE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(KForge::mlir INTERFACE ${_kforge_definitions})
  target_compile_features(KForge::mlir INTERFACE cxx_std_17)
  if(NOT LLVM_ENABLE_RTTI)
    target_compile_options(KForge::mlir INTERFACE -fno-rtti)
  endif()
  target_link_libraries(KForge::mlir INTERFACE MLIR LLVM)
endif()

set(KForge_FOUND TRUE)
