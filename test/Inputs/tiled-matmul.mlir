// c = a * b in 16x16 tiles through workgroup memory, with the kforge op the
// kernel implements beside it and the module it came from as reference.
module attributes {gpu.container_module, kforge.reference = "func.func @matmul(%a: tensor<32x48xf32>, %b: tensor<48x64xf32>) -> tensor<32x64xf32> { %0 = kforge.matmul %a, %b : (tensor<32x48xf32>, tensor<48x64xf32>) -> tensor<32x64xf32>  return %0 : tensor<32x64xf32> }"} {
  gpu.module @kernels {
    gpu.func @matmul(%a: memref<32x48xf32>, %b: memref<48x64xf32>, %c: memref<32x64xf32>)
        workgroup(%ta: memref<16x16xf32, #gpu.address_space<workgroup>>, %tb: memref<16x16xf32, #gpu.address_space<workgroup>>)
        kernel attributes {known_block_size = array<i32: 16, 16, 1>, kforge.name = "matmul_0",
                           kforge.spec = "func.func @spec(%a: tensor<32x48xf32>, %b: tensor<48x64xf32>) -> tensor<32x64xf32> { %0 = kforge.matmul %a, %b : (tensor<32x48xf32>, tensor<48x64xf32>) -> tensor<32x64xf32>  return %0 : tensor<32x64xf32> }"} {
      %bx = gpu.block_id x
      %by = gpu.block_id y
      %tx = gpu.thread_id x
      %ty = gpu.thread_id y
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c16 = arith.constant 16 : index
      %c48 = arith.constant 48 : index
      %zero = arith.constant 0.0 : f32
      %row0 = arith.muli %by, %c16 : index
      %row = arith.addi %row0, %ty : index
      %column0 = arith.muli %bx, %c16 : index
      %column = arith.addi %column0, %tx : index
      %sum = scf.for %k = %c0 to %c48 step %c16 iter_args(%outer = %zero) -> (f32) {
        %ka = arith.addi %k, %tx : index
        %kb = arith.addi %k, %ty : index
        %x = memref.load %a[%row, %ka] : memref<32x48xf32>
        %y = memref.load %b[%kb, %column] : memref<48x64xf32>
        memref.store %x, %ta[%ty, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
        memref.store %y, %tb[%ty, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
        gpu.barrier
        %tile = scf.for %p = %c0 to %c16 step %c1 iter_args(%inner = %outer) -> (f32) {
          %u = memref.load %ta[%ty, %p] : memref<16x16xf32, #gpu.address_space<workgroup>>
          %v = memref.load %tb[%p, %tx] : memref<16x16xf32, #gpu.address_space<workgroup>>
          %next = math.fma %u, %v, %inner : f32
          scf.yield %next : f32
        }
        gpu.barrier
        scf.yield %tile : f32
      }
      memref.store %sum, %c[%row, %column] : memref<32x64xf32>
      gpu.return
    }
  }
  func.func @matmul(%a: memref<32x48xf32>, %b: memref<48x64xf32>) -> memref<32x64xf32> {
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    %c16 = arith.constant 16 : index
    %c = memref.alloc() : memref<32x64xf32>
    gpu.launch_func @kernels::@matmul blocks in (%c4, %c2, %c1) threads in (%c16, %c16, %c1)
        args(%a : memref<32x48xf32>, %b : memref<48x64xf32>, %c : memref<32x64xf32>)
    func.return %c : memref<32x64xf32>
  }
}
