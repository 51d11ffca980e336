// Two entries over one kernel module: o = a + b, and o = (a + b) * 2 with a
// scratch buffer and a weight. 100 elements in blocks of 64: the tail is masked.
module attributes {gpu.container_module} {
  memref.global "private" constant @two : memref<1xf32> = dense<2.0>
  gpu.module @kernels {
    gpu.func @add(%a: memref<100xf32>, %b: memref<100xf32>, %o: memref<100xf32>)
        kernel attributes {known_block_size = array<i32: 64, 1, 1>, kforge.name = "sum",
                           kforge.schedule = {tile = 64 : i64, unrolled = false}} {
      %block = gpu.block_id x
      %thread = gpu.thread_id x
      %c64 = arith.constant 64 : index
      %c100 = arith.constant 100 : index
      %first = arith.muli %block, %c64 : index
      %i = arith.addi %first, %thread : index
      %inside = arith.cmpi ult, %i, %c100 : index
      scf.if %inside {
        %x = memref.load %a[%i] : memref<100xf32>
        %y = memref.load %b[%i] : memref<100xf32>
        %s = arith.addf %x, %y : f32
        memref.store %s, %o[%i] : memref<100xf32>
      }
      gpu.return
    }
    gpu.func @scale(%a: memref<25xvector<4xf32>>, %f: memref<1xf32>, %o: memref<25xvector<4xf32>>)
        kernel attributes {known_block_size = array<i32: 32, 1, 1>} {
      %i = gpu.thread_id x
      %c0 = arith.constant 0 : index
      %c25 = arith.constant 25 : index
      %inside = arith.cmpi ult, %i, %c25 : index
      scf.if %inside {
        %x = memref.load %a[%i] : memref<25xvector<4xf32>>
        %f0 = memref.load %f[%c0] : memref<1xf32>
        %fs = vector.broadcast %f0 : f32 to vector<4xf32>
        %s = arith.mulf %x, %fs : vector<4xf32>
        memref.store %s, %o[%i] : memref<25xvector<4xf32>>
      }
      gpu.return
    }
  }
  func.func @add(%a: memref<100xf32>, %b: memref<100xf32>) -> memref<100xf32> {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c64 = arith.constant 64 : index
    %o = memref.alloc() : memref<100xf32>
    gpu.launch_func @kernels::@add blocks in (%c2, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%a : memref<100xf32>, %b : memref<100xf32>, %o : memref<100xf32>)
    func.return %o : memref<100xf32>
  }
  func.func @add_twice(%a: memref<10x10xf32>, %w: memref<100xf32> {kforge.weight = "layer.w"}) -> memref<10x10xf32> {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c32 = arith.constant 32 : index
    %c64 = arith.constant 64 : index
    %flat = memref.collapse_shape %a [[0, 1]] : memref<10x10xf32> into memref<100xf32>
    %s = memref.alloc() : memref<100xf32>
    %o = memref.alloc() : memref<10x10xf32>
    %two = memref.get_global @two : memref<1xf32>
    gpu.launch_func @kernels::@add blocks in (%c2, %c1, %c1) threads in (%c64, %c1, %c1)
        args(%flat : memref<100xf32>, %w : memref<100xf32>, %s : memref<100xf32>)
    %s4 = builtin.unrealized_conversion_cast %s : memref<100xf32> to memref<25xvector<4xf32>>
    %o4 = builtin.unrealized_conversion_cast %o : memref<10x10xf32> to memref<25xvector<4xf32>>
    gpu.launch_func @kernels::@scale blocks in (%c1, %c1, %c1) threads in (%c32, %c1, %c1)
        args(%s4 : memref<25xvector<4xf32>>, %two : memref<1xf32>, %o4 : memref<25xvector<4xf32>>)
    memref.dealloc %s : memref<100xf32>
    func.return %o : memref<10x10xf32>
  }
}
